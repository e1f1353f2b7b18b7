import {
  type AuthorisedOrigin,
  assertVersion,
  eventOrigin,
  type IfMatch,
  reviseRecord,
} from '../audit/index.ts';
import { addSecret, newClientSecret } from '../clients/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';

/**
 * Makes a new introspection secret for a resource server. The one before is accepted too, until the next is made.
 *
 * @param options `secret` is the new one, where the caller has to know it before it is made
 * @returns the secret, to be shown once
 * @throws {Refused<ResourceRefusal | CredentialRefusal>}
 */
export async function issueResourceSecret(
  deps: ResourceDeps,
  id: string,
  origin: AuthorisedOrigin,
  options: { readonly ifMatch?: IfMatch | undefined; readonly secret?: string } = {},
): Promise<{ readonly resource: Resource; readonly secret: string }> {
  assertNotProtected(id);
  const { ifMatch, secret = newClientSecret() } = options;
  const resource = await reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      const credential = addSecret(current.credential, secret, origin.now);
      assertVersion(current, ifMatch);
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
    origin.authority,
    origin.now,
  );
  return { resource, secret };
}
