import type { z } from 'zod';
import type { AdminShell, Immutable, QueryOf } from '../admin-api/index.ts';
import { newClientSecret, newKeyInput, viewCredential, viewKeys, viewSecrets } from '../clients/index.ts';
import { mapPage, pageRequest, parseInput } from '../input/index.ts';
import { addResourceKey } from './add-resource-key.ts';
import { resourceCalls, type shownResource } from './api.ts';
import { createResource, getResource, type ResourceDeps } from './create-resource.ts';
import { issueResourceSecret } from './issue-resource-secret.ts';
import { killResource, restoreResource } from './kill-resource.ts';
import type { Resource } from './resource.ts';
import { RESOURCE_FACETS } from './resource-facets.ts';
import { revokeResourceKey } from './revoke-resource-key.ts';
import { revokeResourceSecret } from './revoke-resource-secret.ts';
import { updateResource } from './update-resource.ts';

/** What is shown of a resource server. */
export type ResourceView = Immutable<z.output<typeof shownResource>>;

/** Binds the calls about resource servers. */
export function resourceRoutes(deps: ResourceDeps, shell: AdminShell): void {
  shell.route(resourceCalls.createResource, async ({ body, origin, keeping }) => {
    const secret = newClientSecret();
    const made = (resource: Resource) => ({
      ...answerWithSecret(resource, secret),
      location: `/resources/${resource.id}`,
    });
    const resources = keeping(deps.resources, ([resource]: readonly Resource[]) =>
      made(resource as Resource),
    );
    return made((await createResource({ ...deps, resources }, body, origin, secret)).resource);
  });
  shell.route(resourceCalls.listResources, async ({ query }) => ({
    body: mapPage(await deps.resources.listResources(pageRequest(query, facetsOf(query))), viewResource),
  }));
  shell.route(resourceCalls.getResource, async ({ params }) =>
    answer(await getResource(deps.resources, params.id)),
  );
  shell.route(resourceCalls.updateResource, async ({ params, ifMatch, body, origin }) =>
    answer(await updateResource(deps, params.id, ifMatch, body, origin)),
  );
  shell.route(resourceCalls.issueResourceSecret, async ({ params, ifMatch, origin, keeping }) => {
    const secret = newClientSecret();
    const made = (resource: Resource) => answerWithSecret(resource, secret);
    const resources = keeping(deps.resources, ([resource]: readonly Resource[]) =>
      made(resource as Resource),
    );
    const issued = await issueResourceSecret({ ...deps, resources }, params.id, origin, { ifMatch, secret });
    return made(issued.resource);
  });
  shell.route(resourceCalls.listResourceSecrets, async ({ params }) => ({
    body: viewSecrets((await getResource(deps.resources, params.id)).credential),
  }));
  shell.route(resourceCalls.revokeResourceSecret, async ({ params, ifMatch, origin }) =>
    answer(await revokeResourceSecret(deps, params.id, params.secret, origin, ifMatch)),
  );
  shell.route(resourceCalls.addResourceKey, async ({ params, ifMatch, body, origin, keeping }) => {
    const resources = keeping(deps.resources, ([resource]: readonly Resource[]) =>
      answer(resource as Resource),
    );
    const { key } = parseInput(newKeyInput, body);
    return answer(await addResourceKey({ ...deps, resources }, params.id, key, origin, ifMatch));
  });
  shell.route(resourceCalls.listResourceKeys, async ({ params }) => ({
    body: viewKeys((await getResource(deps.resources, params.id)).credential),
  }));
  shell.route(resourceCalls.revokeResourceKey, async ({ params, ifMatch, origin }) =>
    answer(await revokeResourceKey(deps, params.id, params.key, origin, ifMatch)),
  );
  shell.route(resourceCalls.killResource, async ({ params, body, ifMatch, origin }) =>
    answer(await killResource(deps, params.id, origin, ifMatch, body)),
  );
  shell.route(resourceCalls.restoreResource, async ({ params, ifMatch, origin }) =>
    answer(await restoreResource(deps, params.id, origin, ifMatch)),
  );
}

/** What is looked for, the rarest first. */
function facetsOf({ identifier, status }: QueryOf<typeof resourceCalls.listResources>) {
  return [
    identifier === undefined ? undefined : RESOURCE_FACETS.identifier(identifier),
    status === undefined ? undefined : RESOURCE_FACETS.status(status),
  ];
}

function answer(resource: Resource) {
  return { body: viewResource(resource), version: resource.version };
}

/** @param secret shown this once, where it has one */
function answerWithSecret(resource: Resource, secret: string) {
  const { body, version } = answer(resource);
  return { body: { ...body, ...(resource.credential.method === 'client_secret' && { secret }) }, version };
}

function viewResource(resource: Resource): ResourceView {
  return {
    id: resource.id,
    identifier: resource.identifier,
    name: resource.name,
    scopes: resource.scopes,
    tokenFormat: resource.tokenFormat,
    accessTokenTtlSeconds: resource.accessTokenTtlSeconds,
    status: resource.status,
    credential: viewCredential(resource.credential),
    version: resource.version,
    createdAt: new Date(resource.createdAt).toISOString(),
    updatedAt: new Date(resource.updatedAt).toISOString(),
  };
}
