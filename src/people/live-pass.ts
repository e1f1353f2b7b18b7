import type { HeldAuthority } from '../audit/index.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import { handle, isLive, type Lineage, lineageOf } from '../liveness.ts';
import type { Pass, PassKind, PassOf } from './pass.ts';
import { passKey } from './pass-value.ts';
import type { Person } from './person.ts';
import { credentialIdOf, type PersonCredential } from './person-credential.ts';
import type { SignInDeps } from './sign-in-deps.ts';

/** A pass that holds, and whose it is. */
export interface LivePass<K extends PassKind> {
  readonly pass: PassOf<K>;
  readonly person: Person;
  readonly credential: PersonCredential | undefined;
}

/**
 * What a pass descends from: it dies when the person is killed, when they change a factor, and with a restore.
 */
export function passLineage(
  deps: Pick<SignInDeps, 'epochs'>,
  person: Person,
  credential: Pick<PersonCredential, 'epoch'> | undefined,
): Lineage {
  return lineageOf([
    handle(person.id, person.epoch),
    handle(credentialIdOf(person.id), credential?.epoch ?? 0),
    handle(DEPLOYMENT, deps.epochs.raisedTo(DEPLOYMENT)),
  ]);
}

/**
 * The pass of a value, if it holds now, in whichever process it was ended.
 *
 * @param value as it came from outside
 * @throws {StoreUnavailable}
 */
export async function findLivePass<K extends PassKind>(
  deps: Omit<SignInDeps, 'store'>,
  kind: K,
  value: unknown,
  now: number,
): Promise<LivePass<K> | undefined> {
  const key = passKey(value);
  if (key === undefined) return undefined;
  const pass = await deps.passes.findPass(kind, key);
  if (!pass) return undefined;
  await deps.freshness.fresh();
  const person = await deps.people.findPerson(pass.personId);
  if (person?.status !== 'active' || !isLivePass(deps, pass, now)) return undefined;
  return { pass, person, credential: await deps.credentials.findCredential(person.id) };
}

/**
 * What is done by a pass is done on the authority of the person, as they were when it was checked, and only while the pass is there.
 *
 * @param end when it ends before its time, in milliseconds since the epoch
 */
export function authorityOf(pass: Pass, end = pass.expiresAt): HeldAuthority {
  const id = pass.kind === 'session' ? pass.id : pass.kind;
  return {
    lineage: pass.lineage,
    expiresAt: Math.min(end, pass.expiresAt),
    own: [pass.personId],
    pass: { kind: pass.kind, key: pass.key, handle: handle(id, 0) },
  };
}

/** Whether a pass holds, as far as this process has heard. */
export function isLivePass(deps: Pick<SignInDeps, 'epochs'>, pass: Pass, now: number): boolean {
  if (isQuarantineEpoch(deps.epochs.raisedTo(DEPLOYMENT)) || now >= pass.expiresAt) return false;
  const { lineage, createdAt, expiresAt } = pass;
  return isLive({ lineage, issuedAt: createdAt / 1_000, expiresAt: expiresAt / 1_000 }, deps.epochs, now);
}
