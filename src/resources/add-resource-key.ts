import type { JWK } from 'jose';
import type { AuthorisedOrigin, IfMatch } from '../audit/index.ts';
import { addKey, type ClientCredential, publicKeyId } from '../clients/index.ts';
import type { ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';
import { reviseCredential } from './revise-credential.ts';

/**
 * Registers another public key for a resource server. The newest one before is accepted too, until the next is added; older ones stop
 * working.
 *
 * @throws {Refused<ResourceRefusal | ClientKeyRefusal>}
 */
export function addResourceKey(
  deps: ResourceDeps,
  id: string,
  key: JWK,
  origin: AuthorisedOrigin,
  ifMatch?: IfMatch,
): Promise<Resource> {
  const change = {
    type: 'resource.key-added',
    detail: { key: publicKeyId(key) },
    change: (current: ClientCredential) => addKey(current, key),
  } as const;
  return reviseCredential(deps, id, change, origin.authority, origin, ifMatch);
}
