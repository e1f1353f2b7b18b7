import type { z } from 'zod';
import type { Immutable, QueryOf } from '../admin-call.ts';
import type { AdminShell } from '../admin-shell.ts';
import { viewCredential, viewSecrets } from '../clients/index.ts';
import { mapPage, pageRequest } from '../paging.ts';
import { resourceCalls, type shownResource } from './api.ts';
import { createResource, getResource, type ResourceDeps } from './create-resource.ts';
import { issueResourceSecret } from './issue-resource-secret.ts';
import { killResource, restoreResource } from './kill-resource.ts';
import type { Resource } from './resource.ts';
import { RESOURCE_FACETS } from './resource-facets.ts';
import { revokeResourceSecret } from './revoke-resource-secret.ts';
import { updateResource } from './update-resource.ts';

/** What is shown of a resource server. */
export type ResourceView = Immutable<z.output<typeof shownResource>>;

/** Binds the calls about resource servers. */
export function resourceRoutes(deps: ResourceDeps, shell: AdminShell): void {
  shell.route(resourceCalls.createResource, async ({ body, origin, keeping }) => {
    const resources = keeping(deps.resources, ([made]: readonly Resource[]) => {
      const resource = made as Resource;
      return { ...answerAgain(resource), location: `/resources/${resource.id}` };
    });
    const { resource, secret } = await createResource({ ...deps, resources }, body, origin);
    return { ...answer(resource, secret), location: `/resources/${resource.id}` };
  });
  shell.route(resourceCalls.listResources, async ({ query }) => ({
    body: mapPage(await deps.resources.listResources(pageRequest(query, facetsOf(query))), viewResource),
  }));
  shell.route(resourceCalls.getResource, async ({ params }) =>
    answer(await getResource(deps.resources, params.id)),
  );
  shell.route(resourceCalls.updateResource, async ({ params, ifVersion, body, origin }) =>
    answer(await updateResource(deps, params.id, ifVersion, body, origin)),
  );
  shell.route(resourceCalls.issueResourceSecret, async ({ params, origin, keeping }) => {
    const resources = keeping(deps.resources, ([changed]: readonly Resource[]) =>
      answerAgain(changed as Resource),
    );
    const { resource, secret } = await issueResourceSecret({ ...deps, resources }, params.id, origin);
    return answer(resource, secret);
  });
  shell.route(resourceCalls.listResourceSecrets, async ({ params }) => ({
    body: viewSecrets((await getResource(deps.resources, params.id)).credential),
  }));
  shell.route(resourceCalls.revokeResourceSecret, async ({ params, origin }) =>
    answer(await revokeResourceSecret(deps, params.id, params.secret, origin)),
  );
  shell.route(resourceCalls.killResource, async ({ params, origin }) =>
    answer(await killResource(deps, params.id, origin)),
  );
  shell.route(resourceCalls.restoreResource, async ({ params, origin }) =>
    answer(await restoreResource(deps, params.id, origin)),
  );
}

/** What is looked for, the rarest first. */
function facetsOf({ identifier, status }: QueryOf<typeof resourceCalls.listResources>) {
  return [
    identifier === undefined ? undefined : RESOURCE_FACETS.identifier(identifier),
    status === undefined ? undefined : RESOURCE_FACETS.status(status),
  ];
}

/** @param secret shown this once */
function answer(resource: Resource, secret?: string) {
  return {
    body: { ...viewResource(resource), ...(secret !== undefined && { secret }) },
    version: resource.version,
  };
}

/** The answer to a request that has been answered before. */
function answerAgain(resource: Resource) {
  const { body, version } = answer(resource);
  const hasSecret = resource.credential.method === 'client_secret';
  return { body: { ...body, ...(hasSecret && { secretShownBefore: true as const }) }, version };
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
