/**
 * The humans who delegate, approve and operate. For now they are records that agents trace back to; nobody signs in yet.
 */
export { createPerson, getPerson, type PersonDeps, type PersonRefusal } from './create-person.ts';
export { killPerson, restorePerson } from './kill-person.ts';
export { type Person, ROLES, type Role } from './person.ts';
export { type PersonChanges, type PersonInput, personChanges, personInput } from './person-input.ts';
export type { PersonChange, PersonStore } from './person-store.ts';
export { type PersonView, peopleRoutes } from './routes.ts';
export { updatePerson } from './update-person.ts';
