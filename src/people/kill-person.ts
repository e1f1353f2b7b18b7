import {
  type AuthorisedOrigin,
  type Authority,
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { type KillInput, killDetail, killInput, parseInput } from '../input/index.ts';
import { assertNotBuiltIn } from './built-in-person.ts';
import { type FindStrongerAgents, getPerson, type PersonDeps, type PersonRefusal } from './create-person.ts';
import type { CredentialStore } from './pass-store.ts';
import type { Person } from './person.ts';

/**
 * Disables a person: one write closes the status and raises the epoch, so that every token that traces back to them is dead,
 * whatever agents it went through (design of liveness: `liveness.ts`). Killing a disabled person changes nothing.
 *
 * @throws {Refused<BuiltInRefusal | PersonRefusal>} `person-unknown`, `record-protected`
 */
export async function killPerson(
  deps: PersonDeps & { readonly credentials: Pick<CredentialStore, 'findCredential'> },
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
  input: KillInput = {},
): Promise<Person> {
  const why = killDetail(parseInput(killInput, input));
  await deps.freshness.fresh();
  await assertNotBuiltIn(deps.credentials, id);
  return setStatus(deps, id, 'disabled', TAKES_AWAY, origin, ifMatch, undefined, why);
}

/**
 * Enables a disabled person again. The epoch stays raised: what had died stays dead. Their agents get tokens again, so whoever
 * restores an administrator's owner must hold what that administrator holds of our own API.
 *
 * @throws {Refused<PersonRefusal>} `person-unknown`, `admin-scope-not-held`
 */
export function restorePerson(
  deps: PersonDeps & { readonly findStrongerAgents: FindStrongerAgents },
  id: string,
  origin: AuthorisedOrigin,
  ifMatch?: IfMatch,
): Promise<Person> {
  return setStatus(deps, id, 'active', origin.authority, origin, ifMatch, async () => {
    const beyond = await deps.findStrongerAgents(id, origin);
    if (beyond.length === 0) return;
    throw new Refused<PersonRefusal>('admin-scope-not-held', {
      parameter: 'id',
      sent: id,
      permitted: origin.scopes ?? [],
      hint: `agents of this person may ${beyond.join(' ')} at this API, which this token may not`,
    });
  });
}

function setStatus(
  deps: PersonDeps,
  id: string,
  status: Person['status'],
  authority: Authority,
  origin: Origin,
  ifMatch: IfMatch | undefined,
  assertMay: () => Promise<void> = async () => undefined,
  why: { readonly reason?: string } = {},
): Promise<Person> {
  const isKill = status === 'disabled';
  return reviseRecord(
    deps.people,
    deps.freshness,
    'person',
    () => getPerson(deps.people, id),
    async current => {
      await assertMay();
      assertVersion(current, ifMatch);
      if (current.status === status) return undefined;
      const epoch = current.epoch + (isKill ? 1 : 0);
      return {
        record: { ...current, status, epoch },
        events: [
          {
            type: isKill ? 'person.killed' : 'person.restored',
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            detail: { epoch, ...why },
          },
        ],
      };
    },
    authority,
    origin.now,
  );
}
