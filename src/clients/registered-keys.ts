import type { JWK } from 'jose';
import { Refused } from '../errors.ts';
import type { ClientCredential } from './client.ts';
import { thumbprint } from './public-key.ts';

/**
 * - `credential-takes-no-key`: the client was registered with a secret, or with the address of its keys
 * - `client-key-unknown`: it has no such key, or has it no longer
 * - `client-key-registered`: it has this key, or another one of this `kid`
 */
export type ClientKeyRefusal = 'credential-takes-no-key' | 'client-key-unknown' | 'client-key-registered';

/** While a key is being replaced, the one before is accepted too. */
const MAX_KEYS_IN_ROTATION = 2;
/** Enough of a thumbprint to tell the keys of one client apart. */
const ID_CHARACTERS = 12;

/** What a key is called: the beginning of its RFC 7638 thumbprint, which whoever has the key can compute. */
export function publicKeyId(key: JWK): string {
  return `jwk_${thumbprint(key).slice(0, ID_CHARACTERS)}`;
}

/**
 * The keys that are accepted, newest first.
 *
 * @throws {Refused<ClientKeyRefusal>} `credential-takes-no-key`
 */
export function registeredKeysOf(credential: ClientCredential): readonly JWK[] {
  if ('keys' in credential) return credential.keys;
  throw new Refused<ClientKeyRefusal>('credential-takes-no-key', {
    hint:
      'jwksUri' in credential
        ? `it publishes its keys at ${credential.jwksUri}: replace them there`
        : `its method is ${credential.method}`,
  });
}

/**
 * A new key beside the newest of those before; older ones stop working.
 *
 * @throws {Refused<ClientKeyRefusal>}
 */
export function addKey(credential: ClientCredential, key: JWK): ClientCredential {
  const before = registeredKeysOf(credential);
  const id = publicKeyId(key);
  if (before.some(each => publicKeyId(each) === id || (key.kid !== undefined && each.kid === key.kid))) {
    throw new Refused<ClientKeyRefusal>('client-key-registered', { parameter: 'key', sent: key.kid ?? id });
  }
  return { method: 'private_key_jwt', keys: [key, ...before].slice(0, MAX_KEYS_IN_ROTATION) };
}

/**
 * The credential without one of its keys. Without the last one nothing is accepted until another is added.
 *
 * @param id as `publicKeyId` gives it
 * @throws {Refused<ClientKeyRefusal>}
 */
export function withoutKey(credential: ClientCredential, id: string): ClientCredential {
  const before = registeredKeysOf(credential);
  const keys = before.filter(key => publicKeyId(key) !== id);
  if (keys.length < before.length) return { method: 'private_key_jwt', keys };
  throw new Refused<ClientKeyRefusal>('client-key-unknown', {
    parameter: 'key',
    sent: id,
    permitted: before.map(publicKeyId),
  });
}
