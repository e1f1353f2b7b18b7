import { hash } from 'node:crypto';
import { eventOrigin, type Origin, refuseWhileAhead } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { limitedAddress } from '../limits/index.ts';
import { findLivePass, passLineage } from './live-pass.ts';
import type { SignInPass } from './pass.ts';
import { newPassValue, passKey } from './pass-value.ts';
import { isPasswordOf } from './password.ts';
import type { Person } from './person.ts';
import type { PersonCredential } from './person-credential.ts';
import type { SignInDeps } from './sign-in-deps.ts';

/**
 * - `sign-in-refused`: no such address, another password, nobody who may sign in: nobody is told which
 * - `sign-in-limited`: too many tries with this address, or from where they come
 */
export type SignInRefusal = 'sign-in-refused' | 'sign-in-limited';

/** Why, for the trail. */
type SignInCause = 'person-unknown' | 'person-disabled' | 'not-enrolled' | 'wrong-password';

/** A sign-in that waits for the second factor. */
export interface PendingSignIn {
  readonly person: Pick<Person, 'id' | 'name'>;
  readonly factors: { readonly totp: boolean; readonly passkeys: number; readonly recoveryCodes: number };
  readonly expiresAt: number;
}

const PENDING_MS = 600_000;
const PERIOD_MS = 900_000;
/** Tries in a period, right ones too. Passwords can be guessed, so that tries are counted before they are looked at. */
const TRIES = { email: 20, address: 200 };
const LONGEST_EMAIL = 254;

/**
 * Begins a sign-in with the first factor. An unknown address, a person who has never enrolled and a wrong password take the same
 * time and are refused alike (I15).
 *
 * Whoever knows a person's address can keep them from signing in, by as many tries as are counted; what they are signed in to
 * already goes on.
 *
 * @returns the value that holds it, for a cookie, once
 * @throws {Refused<SignInRefusal | SlowHashRefusal | ClockRefusal>}
 */
export async function startSignIn(
  deps: SignInDeps,
  input: { readonly email: unknown; readonly password: unknown },
  origin: Origin,
): Promise<{ readonly value: string; readonly pending: PendingSignIn }> {
  const email = typeof input.email === 'string' ? input.email.trim().slice(0, LONGEST_EMAIL + 1) : '';
  const password = typeof input.password === 'string' ? input.password : '';
  await refuseWhileAhead(deps.refusals, { type: 'person.sign-in-refused' }, origin);
  await countTry(deps, email, origin);
  await deps.freshness.fresh();
  const person = email === '' ? undefined : await deps.people.findPersonByEmail(email);
  const credential = person && (await deps.credentials.findCredential(person.id));
  const isRight = await isPasswordOf(deps.slowHash, credential?.password, password);
  const cause = causeOf(person, credential, isRight);
  if (cause !== undefined || !person || !credential) {
    deps.figures['password-refused'] += 1;
    await deps.refusals.note(
      {
        type: 'person.sign-in-refused',
        outcome: 'refused',
        reason: cause ?? 'person-unknown',
        ...eventOrigin(origin),
        ...(person && { target: person.id }),
      },
      person ? 'registered' : 'stranger',
    );
    throw new Refused<SignInRefusal>('sign-in-refused');
  }
  const value = newPassValue();
  const pass: SignInPass = {
    kind: 'sign-in',
    key: passKey(value) as string,
    personId: person.id,
    version: 1,
    createdAt: origin.now,
    expiresAt: origin.now + PENDING_MS,
    lineage: passLineage(deps, person, credential),
  };
  const outcome = await deps.store.commit({
    changes: [{ kind: 'issue-pass', pass }],
    events: [{ type: 'person.sign-in-begun', outcome: 'done', ...eventOrigin(origin), target: person.id }],
    authority: { lineage: pass.lineage, expiresAt: pass.expiresAt, own: [person.id] },
  });
  if (!outcome.committed) throw new Refused<SignInRefusal>('sign-in-refused');
  return { value, pending: showPending(pass, person, credential) };
}

/** A sign-in that was begun, if it still waits. */
export async function findPendingSignIn(
  deps: SignInDeps,
  value: unknown,
  origin: Origin,
): Promise<PendingSignIn | undefined> {
  const found = await findLivePass(deps, 'sign-in', value, origin.latest);
  return found?.credential && showPending(found.pass, found.person, found.credential);
}

function showPending(
  { expiresAt }: SignInPass,
  { id, name }: Person,
  { totp, passkeys, recoveryCodes }: PersonCredential,
): PendingSignIn {
  return {
    person: { id, name },
    factors: {
      totp: totp !== undefined,
      passkeys: passkeys.length,
      recoveryCodes: recoveryCodes?.digests.length ?? 0,
    },
    expiresAt,
  };
}

function causeOf(
  person: Person | undefined,
  credential: PersonCredential | undefined,
  isRight: boolean,
): SignInCause | undefined {
  if (!person) return 'person-unknown';
  if (credential?.password === undefined) return 'not-enrolled';
  if (!isRight) return 'wrong-password';
  return person.status === 'active' ? undefined : 'person-disabled';
}

/**
 * Counts a try of a password before it is looked at. Known and unknown addresses are counted alike.
 *
 * @throws {Refused<'sign-in-limited'>}
 */
export async function countTry(deps: SignInDeps, email: string, origin: Origin): Promise<void> {
  const period = Math.floor(origin.now / PERIOD_MS);
  const expiresAt = (period + 1) * PERIOD_MS;
  const digest = hash('sha256', email.normalize('NFKC').toLowerCase(), 'base64url');
  const address = limitedAddress(origin.address);
  const [byEmail = 0, byAddress = 0] = await deps.attempts.addAttempts([
    { key: `sign-in ${digest} ${period}`, count: 1, expiresAt },
    ...(address === undefined ? [] : [{ key: `sign-in from ${address} ${period}`, count: 1, expiresAt }]),
  ]);
  if (byEmail <= TRIES.email && byAddress <= TRIES.address) return;
  deps.figures.limited += 1;
  await deps.refusals.note({
    type: 'person.sign-in-refused',
    outcome: 'refused',
    reason: byEmail > TRIES.email ? 'email-tries-exceeded' : 'address-tries-exceeded',
    ...eventOrigin(origin),
  });
  throw new Refused<SignInRefusal>('sign-in-limited', {
    retryAfterSeconds: Math.ceil((expiresAt - origin.now) / 1_000),
  });
}
