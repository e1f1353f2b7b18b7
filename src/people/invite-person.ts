import { type AuthorisedOrigin, assertVersion, type IfMatch, type Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { getPerson } from './create-person.ts';
import { issueEnrolment } from './enrolment.ts';
import { isAdministered } from './first-administrator.ts';
import type { Person } from './person.ts';
import type { LinkDeps } from './sign-in-deps.ts';

/**
 * - `person-disabled`: nobody signs in who is disabled
 * - `person-enrolled`: they sign in already; what they sign in with is taken away by a reset only
 * - `administrator-not-invited`: a client may not make an administrator once there is one who could
 */
export type InvitationRefusal = 'person-disabled' | 'person-enrolled' | 'administrator-not-invited';

/**
 * Makes a link by which a person sets how they sign in, in place of any made before.
 *
 * @returns the link, to be shown once
 * @throws {Refused<PersonRefusal | InvitationRefusal>}
 */
export async function invitePerson(
  deps: LinkDeps,
  id: string,
  origin: AuthorisedOrigin,
  ifMatch?: IfMatch,
): Promise<{ readonly link: string; readonly expiresAt: number }> {
  await deps.freshness.fresh();
  const person = await getPerson(deps.people, id);
  if (person.status !== 'active') throw new Refused<InvitationRefusal>('person-disabled', { sent: id });
  const credential = await deps.credentials.findCredential(id);
  if (credential?.password !== undefined) {
    throw new Refused<InvitationRefusal>('person-enrolled', { sent: id });
  }
  if (person.roles.includes('admin') && (await isAdministered(deps))) {
    throw new Refused<InvitationRefusal>('administrator-not-invited', { sent: id });
  }
  assertVersion(person, ifMatch);
  return issueEnrolment(
    deps,
    person,
    'invitation',
    origin.client === undefined ? [] : [origin.client],
    origin,
  );
}

/**
 * Lets a person set anew how they sign in, where nobody else can: whoever runs the host vouches for them. What they sign in with now goes
 * on until they have enrolled again.
 *
 * @returns the link, to be shown once
 * @throws {Refused<PersonRefusal | InvitationRefusal>}
 */
export async function resetFactor(
  deps: LinkDeps,
  id: string,
  origin: Origin,
): Promise<{ readonly person: Person; readonly link: string; readonly expiresAt: number }> {
  await deps.freshness.fresh();
  const person = await getPerson(deps.people, id);
  if (person.status !== 'active') throw new Refused<InvitationRefusal>('person-disabled', { sent: id });
  return {
    person,
    ...(await issueEnrolment(deps, person, 'reset', ['host'], {
      ...origin,
      authority: { none: 'host-command' },
    })),
  };
}
