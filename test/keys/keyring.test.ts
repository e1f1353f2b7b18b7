import { createSecretKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import test from 'ava';
import { signatureFromDer } from '../../src/keys/ecdsa-signature.ts';
import { SealBroken, SigningKeyring, sealingKey } from '../../src/keys/index.ts';

test('RFC 7518 §3.4: a signature turned from DER verifies, over 2,000 of them', t => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let shorter = 0;
  for (let index = 0; index < 2_000; index += 1) {
    const data = Buffer.from(`message ${index}`);
    const der = sign('sha256', data, privateKey);
    if (der.length < 70) shorter += 1;
    const raw = signatureFromDer(der);
    if (!verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw))
      return t.fail(`message ${index}`);
  }
  t.true(shorter > 0, 'integers shorter than a coordinate were among them');
});

test('I11: a sealed text opens only with its key, in its place, unchanged', t => {
  const sealing = sealingKey(createSecretKey(randomBytes(32)));
  const other = sealingKey(createSecretKey(randomBytes(32)));
  const sealed = sealing.seal(Buffer.from('secret'), 'key_1');
  t.is(sealing.unseal(sealed, 'key_1').toString(), 'secret');
  t.not(sealed, sealing.seal(Buffer.from('secret'), 'key_1'));
  t.throws(() => sealing.unseal(sealed, 'key_2'), { instanceOf: SealBroken });
  t.throws(() => other.unseal(sealed, 'key_1'), {
    instanceOf: SealBroken,
    message: /another key-encryption key/,
  });
  const body = sealed.lastIndexOf('.') + 1;
  for (let at = body; at < sealed.length; at += 1) {
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
    if (Buffer.from(changed.slice(body), 'base64url').equals(Buffer.from(sealed.slice(body), 'base64url')))
      continue;
    t.throws(() => sealing.unseal(changed, 'key_1'), { instanceOf: SealBroken });
  }
});

test('a keyring without keys signs and verifies nothing', async t => {
  const keyring = new SigningKeyring(
    { listSigningKeys: async () => [] },
    sealingKey(createSecretKey(randomBytes(32))),
  );
  await keyring.refresh();
  t.is(keyring.activeKey('ES256'), undefined);
  t.deepEqual(keyring.publicKeys, { keys: [] });
  t.throws(() => keyring.signJwt('key_1', 'at+jwt', {}));
  t.is(keyring.verifyJwt('a.b.c', 'at+jwt'), undefined);
});
