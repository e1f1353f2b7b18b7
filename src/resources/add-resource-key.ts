import type { JWK } from 'jose';
import {
  type AuthorisedOrigin,
  assertVersion,
  eventOrigin,
  type IfMatch,
  reviseRecord,
} from '../audit/index.ts';
import { addKey, publicKeyId } from '../clients/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';

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
  assertNotProtected(id);
  return reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      const credential = addKey(current.credential, key);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [
          {
            type: 'resource.key-added',
            outcome: 'done',
            ...eventOrigin(origin),
            resource: current.identifier,
            target: id,
            detail: { key: publicKeyId(key) },
          },
        ],
      };
    },
    origin.authority,
    origin.now,
  );
}
