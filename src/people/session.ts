import { COUNTED, eventOrigin, type HeldAuthority, type Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { newId } from '../ids.ts';
import { authorityOf, findLivePass, isLivePass, type LivePass, passLineage } from './live-pass.ts';
import type { Acr, Amr, SessionPass } from './pass.ts';
import { newPassValue, passKey } from './pass-value.ts';
import type { Person } from './person.ts';
import type { PersonCredential } from './person-credential.ts';
import type { SignInChange, SignInDeps } from './sign-in-deps.ts';
import type { Proved } from './use-factor.ts';

/**
 * - `session-required`: there is no session, or no longer
 * - `step-up-required`: the second factor was proved too long ago for what is asked (R116)
 */
export type SessionRefusal = 'session-required' | 'step-up-required';

/** A session as pages see it. Times are in milliseconds since the epoch. */
export interface PersonSession {
  /** For lists and the trail; no secret. */
  readonly id: `ses_${string}`;
  /** As they are now: roles may have changed since the session began. */
  readonly person: Person;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly authenticatedAt: number;
  readonly factorAt: number;
  /** When it ends, unless it is used before. */
  readonly expiresAt: number;
  readonly amr: readonly Amr[];
  readonly acr: Acr;
  readonly address?: string;
  /** On which its person does what they do in it. */
  readonly authority: HeldAuthority;
}

export interface ListedSession extends PersonSession {
  readonly isCurrent: boolean;
}

/** R094. */
const IDLE_MS = 900_000;
const ABSOLUTE_MS = 43_200_000;
/** A use is noted so often: a session that rests is ended at most that much before its time. */
const NOTED_EVERY_MS = 30_000;
const FRESH_FACTOR_MS = 300_000;

/** A new session, and the value that holds it: always a new one, whatever the browser had before (R094). */
export function newSession(
  deps: SignInDeps,
  person: Person,
  credential: PersonCredential,
  { amr, acr }: Proved,
  origin: Origin,
): { readonly value: string; readonly pass: SessionPass } {
  const value = newPassValue();
  const { now, address } = origin;
  return {
    value,
    pass: {
      kind: 'session',
      id: newId('ses', now),
      key: passKey(value) as string,
      personId: person.id,
      version: 1,
      createdAt: now,
      expiresAt: now + ABSOLUTE_MS,
      lineage: passLineage(deps, person, credential),
      lastUsedAt: now,
      authenticatedAt: now,
      factorAt: now,
      amr: ['pwd', ...amr],
      acr,
      ...(address !== undefined && { address }),
    },
  };
}

/**
 * The session of a cookie's value, which counts as a use of it.
 *
 * @throws {StoreUnavailable}
 */
export async function findSession(
  deps: SignInDeps,
  value: unknown,
  origin: Origin,
): Promise<PersonSession | undefined> {
  const found = await findLiveSession(deps, value, origin.latest);
  if (!found) return undefined;
  const { pass, person } = found;
  if (origin.now - pass.lastUsedAt < NOTED_EVERY_MS) return showSession(pass, person);
  const used: SessionPass = { ...pass, version: pass.version + 1, lastUsedAt: origin.now };
  const outcome = await deps.store.commit({
    changes: [{ kind: 'renew-pass', pass: used, ifVersion: pass.version }],
    events: [],
    authority: COUNTED,
  });
  if (outcome.committed) return showSession(used, person);
  // Another request came first: it has noted the use, or ended the session.
  const again = await findLiveSession(deps, value, origin.latest);
  return again && showSession(again.pass, again.person);
}

/** @throws {Refused<'session-required'>} */
export async function getLiveSession(
  deps: SignInDeps,
  value: unknown,
  now: number,
): Promise<LivePass<'session'>> {
  const found = await findLiveSession(deps, value, now);
  if (!found) throw new Refused<SessionRefusal>('session-required');
  return found;
}

export async function findLiveSession(
  deps: Omit<SignInDeps, 'store'>,
  value: unknown,
  now: number,
): Promise<LivePass<'session'> | undefined> {
  const found = await findLivePass(deps, 'session', value, now);
  return found && isIdle(found.pass, now) ? undefined : found;
}

/**
 * Requires that the second factor was proved within five minutes.
 *
 * @throws {Refused<'step-up-required'>}
 */
export function assertFactorFresh({ factorAt }: Pick<PersonSession, 'factorAt'>, nowMs: number): void {
  if (nowMs - factorAt >= FRESH_FACTOR_MS) throw new Refused<SessionRefusal>('step-up-required');
}

/** Signs out. Nothing happens where there is no session. */
export async function endSession(deps: SignInDeps, value: unknown, origin: Origin): Promise<void> {
  const found = await findLiveSession(deps, value, origin.latest);
  if (found) await end(deps, found.pass, origin);
}

/** One's own sessions, the newest first. */
export async function listSessions(
  deps: SignInDeps,
  session: PersonSession,
  origin: Origin,
): Promise<readonly ListedSession[]> {
  const passes = await liveSessionsOf(deps, session.person.id, origin.latest);
  return passes.map(pass => ({ ...showSession(pass, session.person), isCurrent: pass.id === session.id }));
}

/** Ends one of one's own sessions. Nothing happens where it is unknown or somebody else's (I3). */
export async function endListedSession(
  deps: SignInDeps,
  session: PersonSession,
  id: string,
  origin: Origin,
): Promise<void> {
  const pass = (await liveSessionsOf(deps, session.person.id, origin.latest)).find(each => each.id === id);
  if (pass) await end(deps, pass, origin);
}

/**
 * Ends one's other sessions.
 *
 * @returns how many there were
 */
export async function endOtherSessions(
  deps: SignInDeps,
  session: PersonSession,
  origin: Origin,
): Promise<number> {
  const passes = await deps.passes.listPasses('session', session.person.id);
  const own = passes.find(({ id }) => id === session.id);
  if (!own) return 0;
  const others = passes.filter(pass => pass !== own);
  await deps.store.commit({
    changes: [othersOf(own)],
    events: [
      {
        type: 'person.sessions-ended',
        outcome: 'done',
        ...eventOrigin(origin),
        target: session.person.id,
        detail: { sessions: others.map(({ id }) => id) },
      },
    ],
  });
  return others.filter(pass => isLivePass(deps, pass, origin.latest) && !isIdle(pass, origin.latest)).length;
}

/** Ends the sessions of a person but this one. */
export function othersOf({
  personId,
  key,
}: SessionPass): Extract<SignInChange, { readonly kind: 'end-passes' }> {
  return { kind: 'end-passes', passKind: 'session', personId, except: key };
}

export function showSession(pass: SessionPass, person: Person): PersonSession {
  const { id, createdAt, lastUsedAt, authenticatedAt, factorAt, amr, acr, address } = pass;
  return {
    id,
    person,
    createdAt,
    lastUsedAt,
    authenticatedAt,
    factorAt,
    expiresAt: Math.min(pass.expiresAt, lastUsedAt + IDLE_MS),
    authority: authorityOfSession(pass),
    amr,
    acr,
    ...(address !== undefined && { address }),
  };
}

/** What is done in a session: until it has rested too long. */
export function authorityOfSession(pass: SessionPass): HeldAuthority {
  return authorityOf(pass, pass.lastUsedAt + IDLE_MS);
}

function isIdle({ lastUsedAt }: SessionPass, now: number): boolean {
  return now - lastUsedAt >= IDLE_MS;
}

async function liveSessionsOf(
  deps: SignInDeps,
  personId: string,
  now: number,
): Promise<readonly SessionPass[]> {
  const passes = await deps.passes.listPasses('session', personId);
  return passes.filter(pass => isLivePass(deps, pass, now) && !isIdle(pass, now));
}

async function end(deps: SignInDeps, pass: SessionPass, origin: Origin): Promise<void> {
  await deps.store.commit({
    changes: [{ kind: 'take-pass', passKind: 'session', key: pass.key, now: origin.latest }],
    events: [
      {
        type: 'person.session-ended',
        outcome: 'done',
        ...eventOrigin(origin),
        target: pass.personId,
        detail: { session: pass.id },
      },
    ],
  });
}
