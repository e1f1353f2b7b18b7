import {
  type AuthorisedOrigin,
  assertAuthorityHeld,
  eventOrigin,
  type Freshness,
  type Origin,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { newId } from '../ids.ts';
import { parseInput } from '../input/index.ts';
import type { Person } from './person.ts';
import { personInput } from './person-input.ts';
import type { PersonStore } from './person-store.ts';

/**
 * - `person-unknown`, `person-exists`
 * - `admin-scope-not-held`: their agents would come back to do more at our own API than whoever asks may do there
 */
export type PersonRefusal = 'person-unknown' | 'person-exists' | 'admin-scope-not-held';

export interface PersonDeps {
  readonly people: PersonStore;
  readonly freshness: Freshness;
}

/** What the agents of a person may do at our own API that whoever asks may not: those agents stand and fall with their owner. */
export type FindStrongerAgents = (personId: string, origin: Origin) => Promise<readonly string[]>;

/**
 * Registers a person.
 *
 * @param input a `PersonInput`, from wherever it comes
 * @throws {Refused<InputRefusal>}
 * @throws {Refused<PersonRefusal>} `person-exists` when the identifier or the e-mail address is taken
 */
export async function createPerson(
  deps: Pick<PersonDeps, 'people'>,
  input: unknown,
  origin: AuthorisedOrigin,
): Promise<{ readonly person: Person }> {
  const { id, name, email, roles } = parseInput(personInput, input);
  const person: Person = {
    id: id ?? newId('usr', origin.now),
    version: 1,
    epoch: 0,
    createdAt: origin.now,
    updatedAt: origin.now,
    name,
    ...(email !== undefined && { email }),
    roles,
    status: 'active',
  };
  const outcome = await deps.people.commit({
    changes: [{ kind: 'insert', collection: 'person', record: person }],
    events: [
      {
        type: 'person.created',
        outcome: 'done',
        ...eventOrigin(origin),
        target: person.id,
        detail: { name, roles },
      },
    ],
    authority: origin.authority,
  });
  assertAuthorityHeld(outcome);
  if (!outcome.committed) {
    throw new Refused<PersonRefusal>('person-exists', {
      parameter: id === undefined ? 'email' : 'id or email',
      ...(email !== undefined && { sent: email }),
    });
  }
  return { person };
}

/** @throws {Refused<PersonRefusal>} `person-unknown` */
export async function getPerson(people: Pick<PersonStore, 'findPerson'>, id: string): Promise<Person> {
  const person = await people.findPerson(id);
  if (!person) throw new Refused<PersonRefusal>('person-unknown', { parameter: 'id', sent: id });
  return person;
}
