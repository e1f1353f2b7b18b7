import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import type { JWK } from 'jose';

/** The key pair of the client that authenticates with `private_key_jwt`. */
export interface ClientKey {
  readonly publicJwk: JWK;
  readonly privateKey: KeyObject;
}

const LIFETIME_SECONDS = 240;

/** A new ES256 pair. */
export function newClientKey(): ClientKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' }) as JWK;
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  return { publicJwk: { ...jwk, alg: 'ES256', kid }, privateKey };
}

/**
 * Signs client assertions (RFC 7523 section 3), each with a `jti` of its own. They are good for four minutes: sign them just
 * before they are sent.
 *
 * @param audience the issuer they are for
 */
export function signAssertions(
  { privateKey, publicJwk }: ClientKey,
  clientId: string,
  audience: string,
  count: number,
): string[] {
  const iat = Math.floor(Date.now() / 1000);
  const header = encode({ alg: 'ES256', kid: publicJwk.kid });
  return Array.from({ length: count }, () => {
    const claims = {
      iss: clientId,
      sub: clientId,
      aud: audience,
      jti: randomUUID(),
      iat,
      exp: iat + LIFETIME_SECONDS,
    };
    const signed = `${header}.${encode(claims)}`;
    // JWS wants the two numbers side by side (RFC 7518 section 3.4), not DER.
    const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  });
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
