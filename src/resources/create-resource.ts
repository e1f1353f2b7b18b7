import { type AuthorisedOrigin, assertAuthorityHeld, eventOrigin, type Freshness } from '../audit/index.ts';
import { makeCredential } from '../clients/index.ts';
import { Refused } from '../errors.ts';
import { newId } from '../ids.ts';
import { parseInput } from '../input/index.ts';
import { ADMIN_API_RESOURCE_ID } from './admin-api.ts';
import type { Resource } from './resource.ts';
import { resourceInput } from './resource-input.ts';
import type { ResourceStore } from './resource-store.ts';

export type ResourceRefusal = 'resource-unknown' | 'resource-exists' | 'record-protected';

export interface ResourceDeps {
  readonly resources: ResourceStore;
  readonly freshness: Freshness;
}

/**
 * Registers a resource server.
 *
 * @param input a `ResourceInput`, from wherever it comes
 * @param newSecret what its secret is, where the caller has to know it before it is made
 * @returns its record, and the secret with which it asks about tokens, to be shown once
 * @throws {Refused<InputRefusal>}
 * @throws {Refused<ResourceRefusal>} `resource-exists` when the id or the identifier is taken
 */
export async function createResource(
  deps: Pick<ResourceDeps, 'resources'>,
  input: unknown,
  origin: AuthorisedOrigin,
  newSecret?: string,
): Promise<{ readonly resource: Resource; readonly secret?: string }> {
  const { id, credential: credentialInput, ...described } = parseInput(resourceInput, input);
  const { credential, secret } = makeCredential(credentialInput, origin.now, newSecret);
  const resource: Resource = {
    id: id ?? newId('res', origin.now),
    version: 1,
    epoch: 0,
    createdAt: origin.now,
    updatedAt: origin.now,
    ...described,
    status: 'active',
    credential,
  };
  const about = {
    ...eventOrigin(origin),
    outcome: 'done',
    resource: resource.identifier,
    target: resource.id,
  } as const;
  const outcome = await deps.resources.commit({
    changes: [{ kind: 'insert', collection: 'resource', record: resource }],
    events: [
      {
        type: 'resource.created',
        ...about,
        detail: {
          name: resource.name,
          scopes: resource.scopes.map(scope => scope.name),
          tokenFormat: resource.tokenFormat.kind,
          accessTokenTtlSeconds: resource.accessTokenTtlSeconds,
          authMethod: credential.method,
        },
      },
      ...(secret === undefined ? [] : [{ type: 'resource.secret-issued', ...about } as const]),
    ],
    authority: origin.authority,
  });
  assertAuthorityHeld(outcome);
  if (!outcome.committed) {
    throw new Refused<ResourceRefusal>('resource-exists', {
      parameter: id === undefined ? 'identifier' : 'id or identifier',
      sent: resource.identifier,
    });
  }
  return { resource, ...(secret !== undefined && { secret }) };
}

/** @throws {Refused<ResourceRefusal>} `resource-unknown` */
export async function getResource(
  resources: Pick<ResourceStore, 'findResource'>,
  id: string,
): Promise<Resource> {
  const resource = await resources.findResource(id);
  if (!resource) throw new Refused<ResourceRefusal>('resource-unknown', { parameter: 'id', sent: id });
  return resource;
}

/**
 * Keeps our own API out of reach of those who are let in by it: whoever could disable or narrow it could lock everyone out.
 *
 * @throws {Refused<ResourceRefusal>} `record-protected`
 */
export function assertNotProtected(id: string): void {
  if (id !== ADMIN_API_RESOURCE_ID) return;
  throw new Refused<ResourceRefusal>('record-protected', {
    parameter: 'id',
    sent: id,
    hint: 'it is this API itself, which is set up by configuration',
  });
}
