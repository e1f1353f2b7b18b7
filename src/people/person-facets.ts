import type { Person, Role } from './person.ts';

/** By what people are found. */
export const PERSON_FACETS = {
  status: (status: Person['status']): string => `status ${status}`,
  role: (role: Role): string => `role ${role}`,
  email: (email: string): string => `email ${email.toLowerCase()}`,
};

/** Everything by which a person is found. */
export function personFacets({ status, roles, email }: Person): readonly string[] {
  return [
    PERSON_FACETS.status(status),
    ...roles.map(PERSON_FACETS.role),
    ...(email === undefined ? [] : [PERSON_FACETS.email(email)]),
  ];
}
