import { type IfMatch, type Origin, TAKES_AWAY } from '../audit/index.ts';
import { type ClientCredential, withoutSecret } from '../clients/index.ts';
import type { ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';
import { reviseCredential } from './revise-credential.ts';

/**
 * Ends one secret of a resource server at once.
 *
 * @param secretId as it is listed
 * @throws {Refused<ResourceRefusal | CredentialRefusal>}
 */
export function revokeResourceSecret(
  deps: ResourceDeps,
  id: string,
  secretId: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<Resource> {
  const change = {
    type: 'resource.secret-revoked',
    detail: { secret: secretId },
    change: (current: ClientCredential) => withoutSecret(current, secretId),
  } as const;
  return reviseCredential(deps, id, change, TAKES_AWAY, origin, ifMatch);
}
