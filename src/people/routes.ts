import Router from '@koa/router';
import type { AdminAnswer, AdminShell } from '../admin-shell.ts';
import type { ManagedRecord } from '../audit/index.ts';
import { mapPage, pageQuery, pageRequest } from '../paging.ts';
import { createPerson, getPerson, type PersonDeps } from './create-person.ts';
import { killPerson, restorePerson } from './kill-person.ts';
import type { Person } from './person.ts';
import { updatePerson } from './update-person.ts';

/** What is shown of a person. Instants are RFC 3339. */
export interface PersonView extends Omit<Person, Exclude<keyof ManagedRecord, 'id' | 'version'>> {
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** People in the admin API. */
export function peopleRoutes(deps: PersonDeps, shell: AdminShell, prefix: string): Router {
  const router = new Router({ sensitive: true, strict: true, prefix });

  const list = shell.endpoint(
    'read',
    async ({ query }) => ({ body: mapPage(await deps.people.listPeople(pageRequest(query)), viewPerson) }),
    pageQuery,
  );
  const create = shell.endpoint('agents', async ({ origin, readJson }) => {
    const { person } = await createPerson(deps, await readJson(), origin);
    return { ...answer(person), status: 201, location: `people/${person.id}` };
  });
  const read = shell.endpoint('read', async ({ id }) => answer(await getPerson(deps.people, id)));
  const update = shell.endpoint('agents', async ({ id, ifVersion, origin, readJson }) =>
    answer(await updatePerson(deps, id, ifVersion(), await readJson(), origin)),
  );
  const kill = shell.endpoint('kill', async ({ id, origin }) => answer(await killPerson(deps, id, origin)));
  const restore = shell.endpoint('agents', async ({ id, origin }) =>
    answer(await restorePerson(deps, id, origin)),
  );

  router.get('/people', list);
  router.post('/people', create);
  router.get('/people/:id', read);
  router.patch('/people/:id', update);
  router.post('/people/:id/kill', kill);
  router.post('/people/:id/restore', restore);
  return router;
}

function answer(person: Person): AdminAnswer {
  return { body: viewPerson(person), version: person.version };
}

function viewPerson(person: Person): PersonView {
  return {
    id: person.id,
    name: person.name,
    ...(person.email !== undefined && { email: person.email }),
    roles: person.roles,
    status: person.status,
    version: person.version,
    createdAt: new Date(person.createdAt).toISOString(),
    updatedAt: new Date(person.updatedAt).toISOString(),
  };
}
