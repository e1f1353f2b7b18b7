import { isDeepStrictEqual } from 'node:util';
import { assertVersion, eventOrigin, type Origin, reviseRecord } from '../audit/index.ts';
import { applyChanges, changedFields } from '../changes.ts';
import { parseInput } from '../input.ts';
import { getPerson, type PersonDeps } from './create-person.ts';
import type { Person } from './person.ts';
import { personChanges } from './person-input.ts';

/**
 * Changes what may be changed of a person. Roles say what a person may do here; no agent's token rests on them, so nothing is
 * cut off when one is taken away.
 *
 * @param ifVersion the version that the caller has read
 * @param changes   a `PersonChanges`, from wherever it comes
 * @throws {Refused<InputRefusal | PersonRefusal | RevisionRefusal>}
 */
export async function updatePerson(
  deps: PersonDeps,
  id: string,
  ifVersion: number,
  changes: unknown,
  origin: Origin,
): Promise<Person> {
  const parsed = parseInput(personChanges, changes);
  return reviseRecord(
    deps.people,
    deps.freshness,
    'person',
    () => getPerson(deps.people, id),
    current => {
      assertVersion(current, ifVersion);
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
    origin.now,
  );
}
