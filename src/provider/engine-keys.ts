import { generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';

/** A key that is the process's own and signs nothing: the engine insists on one; see `EngineDeps.signingKey`. */
export function newEngineKey(): JWK {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...(privateKey.export({ format: 'jwk' }) as { kty: string }), alg: 'ES256', use: 'sig' };
}

/** The keys that sign the engine's cookies, the same in every process; see `EngineDeps.cookieKeys`. */
export function cookieKeysOf(keyEncryptionKeys: readonly KeyObject[]): readonly string[] {
  return keyEncryptionKeys.map(key =>
    Buffer.from(hkdfSync('sha256', key.export(), '', 'countersign cookies', 32)).toString('base64url'),
  );
}
