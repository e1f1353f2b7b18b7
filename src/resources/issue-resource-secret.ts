import type { AuthorisedOrigin, IfMatch } from '../audit/index.ts';
import { addSecret, type ClientCredential, newClientSecret } from '../clients/index.ts';
import type { ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';
import { reviseCredential } from './revise-credential.ts';

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
  const { ifMatch, secret = newClientSecret() } = options;
  const change = {
    type: 'resource.secret-issued',
    change: (current: ClientCredential) => addSecret(current, secret, origin.now),
  } as const;
  const resource = await reviseCredential(deps, id, change, origin.authority, origin, ifMatch);
  return { resource, secret };
}
