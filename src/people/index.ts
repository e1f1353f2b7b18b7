/**
 * The humans who delegate, approve and operate. For now they are records that agents trace back to; nobody signs in yet.
 */
export { type Person, ROLES, type Role } from './person.ts';
export type { PersonChange, PersonStore } from './person-store.ts';
