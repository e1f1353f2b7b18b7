import { type IfMatch, type Origin, TAKES_AWAY } from '../audit/index.ts';
import { type ClientCredential, withoutKey } from '../clients/index.ts';
import type { ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';
import { reviseCredential } from './revise-credential.ts';

/**
 * Ends one public key of a resource server at once.
 *
 * @param keyId as it is listed
 * @throws {Refused<ResourceRefusal | ClientKeyRefusal>}
 */
export function revokeResourceKey(
  deps: ResourceDeps,
  id: string,
  keyId: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<Resource> {
  const change = {
    type: 'resource.key-revoked',
    detail: { key: keyId },
    change: (current: ClientCredential) => withoutKey(current, keyId),
  } as const;
  return reviseCredential(deps, id, change, TAKES_AWAY, origin, ifMatch);
}
