import {
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { withoutSecret } from '../clients/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';

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
  assertNotProtected(id);
  return reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      const credential = withoutSecret(current.credential, secretId);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [
          {
            type: 'resource.secret-revoked',
            outcome: 'done',
            ...eventOrigin(origin),
            resource: current.identifier,
            target: id,
            detail: { secret: secretId },
          },
        ],
      };
    },
    TAKES_AWAY,
    origin.now,
  );
}
