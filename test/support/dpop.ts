import { createHash } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { App } from './start-app.ts';

/** A key that an agent proves its requests with. */
export interface ProofKey {
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
  readonly jkt: string;
}

export async function newProofKey(alg = 'ES256'): Promise<ProofKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return { alg, privateKey, publicJwk, jkt: await calculateJwkThumbprint(publicJwk) };
}

let proofs = 0;

/** Signs a DPoP proof for the token endpoint; `claims` and `header` replace single members, undefined removes them. */
export function signProof(
  app: Pick<App, 'issuer' | 'now'>,
  key: ProofKey,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  proofs += 1;
  return new SignJWT({
    jti: `proof-${proofs}`,
    htm: 'POST',
    htu: `${app.issuer}/token`,
    iat: Math.floor(app.now() / 1000),
    ...claims,
  })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: key.alg, jwk: key.publicJwk, ...header })
    .sign(key.privateKey);
}

/** The claim that ties a proof to an access token (RFC 9449 section 4.2). */
export function athOf(token: string): { readonly ath: string } {
  return { ath: createHash('sha256').update(token).digest('base64url') };
}
