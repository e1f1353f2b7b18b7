import { eventOrigin, type Origin, reviseRecord } from '../audit/index.ts';
import { getPerson, type PersonDeps } from './create-person.ts';
import type { Person } from './person.ts';

/**
 * Disables a person: one write closes the status and raises the epoch, so that every token that traces back to them is dead,
 * whatever agents it went through (design of liveness: `liveness.ts`). Killing a disabled person changes nothing.
 *
 * @throws {Refused<PersonRefusal>} `person-unknown`
 */
export function killPerson(deps: PersonDeps, id: string, origin: Origin): Promise<Person> {
  return setStatus(deps, id, 'disabled', origin);
}

/**
 * Enables a disabled person again. The epoch stays raised: what had died stays dead.
 *
 * @throws {Refused<PersonRefusal>} `person-unknown`
 */
export function restorePerson(deps: PersonDeps, id: string, origin: Origin): Promise<Person> {
  return setStatus(deps, id, 'active', origin);
}

function setStatus(deps: PersonDeps, id: string, status: Person['status'], origin: Origin): Promise<Person> {
  const isKill = status === 'disabled';
  return reviseRecord(
    deps.people,
    deps.freshness,
    'person',
    () => getPerson(deps.people, id),
    current => {
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
            detail: { epoch },
          },
        ],
      };
    },
    origin.now,
  );
}
