import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { issuedAtOf, isTokenId, newOpaqueToken, opaqueTokenId } from '../../src/tokens/access-token-value.ts';

test('I11: a token is found under its time of issue and the SHA-256 of its value, cut to 208 bits', t => {
  const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  fc.assert(
    fc.property(times, at => {
      const { value, jti } = newOpaqueToken(at);
      const time = Buffer.alloc(6);
      time.writeUIntBE(at, 0, 6);
      const digest = createHash('sha256').update(value).digest().subarray(0, 26);
      t.is(jti, `tok_${Buffer.concat([time, digest]).toString('base64url')}`);
      t.is(opaqueTokenId(value), jti);
      t.true(isTokenId(jti));
      t.is(issuedAtOf(jti), Math.floor(at / 1000));
    }),
    { numRuns: 500 },
  );
});
