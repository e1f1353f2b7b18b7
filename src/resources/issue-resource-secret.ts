import { eventOrigin, type Origin, reviseRecord } from '../audit/index.ts';
import { addSecret } from '../clients/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';

/**
 * Makes a new introspection secret for a resource server. The one before is accepted too, until the next is made.
 *
 * @returns the secret, to be shown once
 * @throws {Refused<ResourceRefusal | CredentialRefusal>}
 */
export async function issueResourceSecret(
  deps: ResourceDeps,
  id: string,
  origin: Origin,
): Promise<{ readonly resource: Resource; readonly secret: string }> {
  assertNotProtected(id);
  let issued = '';
  const resource = await reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      const { credential, secret } = addSecret(current.credential, origin.now);
      issued = secret;
      return {
        record: { ...current, credential },
        events: [
          {
            type: 'resource.secret-issued',
            outcome: 'done',
            ...eventOrigin(origin),
            resource: current.identifier,
            target: id,
          },
        ],
      };
    },
    origin.now,
  );
  return { resource, secret: issued };
}
