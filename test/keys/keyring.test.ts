import {
  createPrivateKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import test from 'ava';
import { certainMoment } from '../../src/clock.ts';
import { makeSigningKey } from '../../src/keys/create-signing-key.ts';
import {
  SealBroken,
  SigningKeyring,
  sealingKey,
  signatureFromDer,
  signatureToDer,
} from '../../src/keys/index.ts';
import { newOrigin } from '../../src/origin.ts';

test('RFC 7518 §3.4: a signature turned from DER verifies, and turns back into the same bytes, over 2,000 of them, short ones too', t => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let shorter = 0;
  // One in 512 is shorter: usually four are among 2,000, and where none is, it goes on until one comes.
  for (let index = 0; index < 2_000 || shorter === 0; index += 1) {
    const data = Buffer.from(`message ${index}`);
    const der = sign('sha256', data, privateKey);
    if (der.length < 70) shorter += 1;
    const raw = signatureFromDer(der);
    if (!verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw))
      return t.fail(`message ${index}`);
    if (!signatureToDer(raw).equals(der)) return t.fail(`message ${index}, back to DER`);
  }
  t.pass(`${shorter} had an integer shorter than a coordinate`);
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
    message: `key_1 is sealed with the key-encryption key ${sealing.keyName}, which is not configured; configured: ${other.keyName}`,
  });
  const body = sealed.lastIndexOf('.') + 1;
  for (let at = body; at < sealed.length; at += 1) {
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
    if (Buffer.from(changed.slice(body), 'base64url').equals(Buffer.from(sealed.slice(body), 'base64url')))
      continue;
    t.throws(() => sealing.unseal(changed, 'key_1'), { instanceOf: SealBroken });
  }
});

test('RFC 8725 §3.11: what one of our keys signed as something else is no access token', async t => {
  const sealing = sealingKey(createSecretKey(randomBytes(32)));
  const { key } = makeSigningKey(sealing, 'ES256', newOrigin(certainMoment(1)));
  const keyring = new SigningKeyring({ listSigningKeys: async () => [key] }, sealing, () => 1);
  await keyring.refresh();
  t.deepEqual(keyring.verifyJwt(keyring.signJwt(key.id, 'at+jwt', { jti: 'x' }), 'at+jwt'), { jti: 'x' });
  for (const type of ['JWT', 'logout+jwt', 'token-introspection+jwt', 'AT+JWT', '']) {
    t.is(keyring.verifyJwt(keyring.signJwt(key.id, type, { jti: 'x' }), 'at+jwt'), undefined, type);
  }
});

test('a header with more than our three members is refused, even rightly signed', async t => {
  const sealing = sealingKey(createSecretKey(randomBytes(32)));
  const { key } = makeSigningKey(sealing, 'EdDSA', newOrigin(certainMoment(1)));
  const keyring = new SigningKeyring({ listSigningKeys: async () => [key] }, sealing, () => 1);
  await keyring.refresh();
  const privateKey = createPrivateKey({
    key: sealing.unseal(key.sealedPrivateKey ?? '', key.id),
    format: 'der',
    type: 'pkcs8',
  });
  const signed = (header: object) => {
    const input = [header, { jti: 'x' }]
      .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
  };
  const header = { alg: 'EdDSA', typ: 'at+jwt', kid: key.id };
  t.deepEqual(keyring.verifyJwt(signed(header), 'at+jwt'), { jti: 'x' });
  for (const extra of [{ crit: ['b64'] }, { jwk: key.publicJwk }, { x5u: 'https://evil.example' }]) {
    t.is(keyring.verifyJwt(signed({ ...header, ...extra }), 'at+jwt'), undefined);
  }
});

test('a keyring without keys signs and verifies nothing', async t => {
  const keyring = new SigningKeyring(
    { listSigningKeys: async () => [] },
    sealingKey(createSecretKey(randomBytes(32))),
    () => 1,
  );
  await keyring.refresh();
  t.is(keyring.activeKey('ES256'), undefined);
  t.deepEqual(keyring.publicKeys, { keys: [] });
  t.throws(() => keyring.signJwt('key_1', 'at+jwt', {}));
  t.is(keyring.verifyJwt('a.b.c', 'at+jwt'), undefined);
});
