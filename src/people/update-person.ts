import { isDeepStrictEqual } from 'node:util';
import {
  type AuthorisedOrigin,
  applyChanges,
  assertVersion,
  changedFields,
  eventOrigin,
  type IfMatch,
  reviseRecord,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { parseInput } from '../input/index.ts';
import { getPerson, type PersonDeps } from './create-person.ts';
import { isAdministered } from './first-administrator.ts';
import type { InvitationRefusal } from './invite-person.ts';
import type { Person } from './person.ts';

import { personChanges } from './person-input.ts';
import type { LinkDeps } from './sign-in-deps.ts';

/**
 * Changes what may be changed of a person. Roles say what a person may do here; no agent's token rests on them, so nothing is
 * cut off when one is taken away.
 *
 * @param ifMatch the version that the caller has read
 * @param changes a `PersonChanges`, from wherever it comes
 * @throws {Refused<InputRefusal | InvitationRefusal | PersonRefusal | RevisionRefusal>}
 */
export async function updatePerson(
  deps: PersonDeps & Pick<LinkDeps, 'credentials'>,
  id: string,
  ifMatch: IfMatch,
  changes: unknown,
  origin: AuthorisedOrigin,
): Promise<Person> {
  const parsed = parseInput(personChanges, changes);
  return reviseRecord(
    deps.people,
    deps.freshness,
    'person',
    () => getPerson(deps.people, id),
    async current => {
      assertVersion(current, ifMatch);
      await assertMayMakeAdministrator(deps, current, parsed.roles);
      const record = applyChanges(current, parsed);
      if (isDeepStrictEqual(record, current)) return undefined;
      return {
        record,
        events: [
          {
            type: 'person.updated',
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            detail: { fields: changedFields(current, record) },
          },
        ],
      };
    },
    origin.authority,
    origin.now,
  );
}

/** Whoever signs in must not become an administrator by what a client does, once there is an administrator. */
async function assertMayMakeAdministrator(
  { people, credentials }: Pick<LinkDeps, 'people' | 'credentials'>,
  { id, roles }: Person,
  wanted: Person['roles'] | undefined,
): Promise<void> {
  if (!wanted?.includes('admin') || roles.includes('admin')) return;
  if (!(await credentials.findCredential(id)) || !(await isAdministered({ people, credentials }))) return;
  throw new Refused<InvitationRefusal>('administrator-not-invited', { parameter: 'roles', sent: 'admin' });
}
