import Router from '@koa/router';
import type { AdminAnswer, AdminShell } from '../admin-shell.ts';
import type { ManagedRecord } from '../audit/index.ts';
import { type CredentialView, viewCredential } from '../clients/index.ts';
import { mapPage, pageQuery, pageRequest } from '../paging.ts';
import { createResource, getResource, type ResourceDeps } from './create-resource.ts';
import { issueResourceSecret } from './issue-resource-secret.ts';
import { killResource, restoreResource } from './kill-resource.ts';
import type { Resource } from './resource.ts';
import { updateResource } from './update-resource.ts';

/** What is shown of a resource server. Instants are RFC 3339. */
export interface ResourceView
  extends Omit<Resource, Exclude<keyof ManagedRecord, 'id' | 'version'> | 'credential'> {
  readonly credential: CredentialView;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Resource servers in the admin API. */
export function resourceRoutes(deps: ResourceDeps, shell: AdminShell, prefix: string): Router {
  const router = new Router({ sensitive: true, strict: true, prefix });

  const list = shell.endpoint(
    'read',
    async ({ query }) => ({
      body: mapPage(await deps.resources.listResources(pageRequest(query)), viewResource),
    }),
    pageQuery,
  );
  const create = shell.endpoint('agents', async ({ origin, readJson }) => {
    const { resource, secret } = await createResource(deps, await readJson(), origin);
    return { ...answer(resource, secret), status: 201, location: `resources/${resource.id}` };
  });
  const read = shell.endpoint('read', async ({ id }) => answer(await getResource(deps.resources, id)));
  const update = shell.endpoint('agents', async ({ id, ifVersion, origin, readJson }) =>
    answer(await updateResource(deps, id, ifVersion(), await readJson(), origin)),
  );
  const kill = shell.endpoint('kill', async ({ id, origin }) => answer(await killResource(deps, id, origin)));
  const restore = shell.endpoint('agents', async ({ id, origin }) =>
    answer(await restoreResource(deps, id, origin)),
  );
  const issueSecret = shell.endpoint('agents', async ({ id, origin }) => {
    const { resource, secret } = await issueResourceSecret(deps, id, origin);
    return { ...answer(resource, secret), status: 201 };
  });

  router.get('/resources', list);
  router.post('/resources', create);
  router.get('/resources/:id', read);
  router.patch('/resources/:id', update);
  router.post('/resources/:id/kill', kill);
  router.post('/resources/:id/restore', restore);
  router.post('/resources/:id/secrets', issueSecret);
  return router;
}

/** @param secret shown this once */
function answer(resource: Resource, secret?: string): AdminAnswer {
  return {
    body: { ...viewResource(resource), ...(secret !== undefined && { secret }) },
    version: resource.version,
  };
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
