import {
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { withoutKey } from '../clients/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';

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
  assertNotProtected(id);
  return reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      const credential = withoutKey(current.credential, keyId);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [
          {
            type: 'resource.key-revoked',
            outcome: 'done',
            ...eventOrigin(origin),
            resource: current.identifier,
            target: id,
            detail: { key: keyId },
          },
        ],
      };
    },
    TAKES_AWAY,
    origin.now,
  );
}
