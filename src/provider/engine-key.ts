import { generateKeyPairSync } from 'node:crypto';
import type { JWK } from 'jose';

/** A key that is the process's own and signs nothing: the engine insists on one; see `EngineDeps.signingKey`. */
export function newEngineKey(): JWK {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...(privateKey.export({ format: 'jwk' }) as { kty: string }), alg: 'ES256', use: 'sig' };
}
