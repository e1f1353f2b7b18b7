import type { CommitPort, RecordChange } from '../audit/index.ts';
import type { Page, PageRequest } from '../input/index.ts';
import type { Person } from './person.ts';

export type PersonChange = RecordChange<'person', Person>;

/** Conflicts on insert: `already-exists` when the identifier or the e-mail address is taken. */
export interface PersonStore extends CommitPort<PersonChange> {
  findPerson(id: string): Promise<Person | undefined>;
  /** By the address, without regard to case. */
  findPersonByEmail(email: string): Promise<Person | undefined>;
  /** Ordered by identifier, which is by age. */
  listPeople(page: PageRequest): Promise<Page<Person>>;
}
