import type { z } from 'zod';
import type { AdminShell, Immutable, QueryOf } from '../admin-api/index.ts';
import { mapPage, pageRequest } from '../input/index.ts';
import { peopleCalls, type shownPerson } from './api.ts';
import { createPerson, type FindStrongerAgents, getPerson, type PersonDeps } from './create-person.ts';
import { invitePerson } from './invite-person.ts';
import { killPerson, restorePerson } from './kill-person.ts';
import type { Person } from './person.ts';
import { PERSON_FACETS } from './person-facets.ts';
import type { SignInDeps } from './sign-in-deps.ts';
import { updatePerson } from './update-person.ts';

/** What is shown of a person. */
export type PersonView = Immutable<z.output<typeof shownPerson>>;

/** Binds the calls about people. */
export function peopleRoutes(
  deps: PersonDeps & { readonly signIn: SignInDeps; readonly findStrongerAgents: FindStrongerAgents },
  shell: AdminShell,
): void {
  shell.route(peopleCalls.createPerson, async ({ body, origin, keeping }) => {
    const made = (person: Person) => ({ ...answer(person), location: `/people/${person.id}` });
    const people = keeping(deps.people, ([person]: readonly Person[]) => made(person as Person));
    return made((await createPerson({ ...deps, people }, body, origin)).person);
  });
  shell.route(peopleCalls.listPeople, async ({ query }) => ({
    body: mapPage(await deps.people.listPeople(pageRequest(query, facetsOf(query))), viewPerson),
  }));
  shell.route(peopleCalls.getPerson, async ({ params }) => answer(await getPerson(deps.people, params.id)));
  shell.route(peopleCalls.updatePerson, async ({ params, ifMatch, body, origin }) =>
    answer(
      await updatePerson({ ...deps, credentials: deps.signIn.credentials }, params.id, ifMatch, body, origin),
    ),
  );
  shell.route(peopleCalls.invitePerson, async ({ params, ifMatch, origin }) => {
    const { link, expiresAt } = await invitePerson(deps.signIn, params.id, origin, ifMatch);
    return { body: { link, expiresAt: new Date(expiresAt).toISOString() } };
  });
  shell.route(peopleCalls.killPerson, async ({ params, body, ifMatch, origin }) =>
    answer(
      await killPerson({ ...deps, credentials: deps.signIn.credentials }, params.id, origin, ifMatch, body),
    ),
  );
  shell.route(peopleCalls.restorePerson, async ({ params, ifMatch, origin }) =>
    answer(await restorePerson(deps, params.id, origin, ifMatch)),
  );
}

/** What is looked for, the rarest first. */
function facetsOf({ email, role, status }: QueryOf<typeof peopleCalls.listPeople>) {
  return [
    email === undefined ? undefined : PERSON_FACETS.email(email),
    role === undefined ? undefined : PERSON_FACETS.role(role),
    status === undefined ? undefined : PERSON_FACETS.status(status),
  ];
}

function answer(person: Person): { readonly body: PersonView; readonly version: number } {
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
