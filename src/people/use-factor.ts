import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import {
  type AuditEvent,
  assertAuthorityHeld,
  COUNTED,
  type CommitOutcome,
  type CommitPort,
  eventOrigin,
  type HeldAuthority,
  type Origin,
  refuseWhileAhead,
} from '../audit/index.ts';
import { type Moment, wallAt } from '../clock.ts';
import { DEPLOYMENT, isFromBeforeRestore } from '../deployment-epoch.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { authorityOf, type LivePass } from './live-pass.ts';
import type { Acr, Amr, Pass, PassKind } from './pass.ts';
import { checkAssertion, relyingParty } from './passkey.ts';
import { type CodeAttempts, NO_ATTEMPTS, type PersonCredential } from './person-credential.ts';
import { findRecoveryCode } from './recovery-codes.ts';
import { MAX_ATTEMPTS, type SignInChange, type SignInDeps } from './sign-in-deps.ts';
import { stepOfCode, usableFrom } from './totp.ts';

/**
 * - `factor-refused`: a wrong code, a used one, or any while none is accepted: nobody is told which
 * - `sign-in-expired`: the sign-in or session is no longer there
 */
export type FactorRefusal = 'factor-refused' | 'sign-in-expired';

/** Why, for the trail. */
export type FactorCause =
  | 'wrong-code'
  | 'code-used'
  | 'wrong-recovery-code'
  | 'passkey-not-accepted'
  | 'factor-locked';

export type FactorProof =
  | { readonly code: string }
  | { readonly recoveryCode: string }
  | { readonly assertion: AuthenticationResponseJSON };

/** What a proved factor says of a session. */
export interface Proved {
  readonly amr: readonly Amr[];
  readonly acr: Acr;
}

/** What comes of a factor that was proved, to be committed with its use. */
export interface FactorUse<R, Change = never> {
  readonly changes: readonly (SignInChange | Change)[];
  readonly events: readonly AuditEvent[];
  readonly result: R;
  /** Where it stands on more than the pass. */
  readonly authority?: HeldAuthority;
}

/** Wrong codes in a period before none is accepted for a while (R091). */
const MOST_WRONG = 5;
const PERIOD_MS = 900_000;
/** For how long the first time; then twice as long each time, up to a day. */
const LOCKED_MS = 900_000;
const LONGEST_LOCKED_MS = 86_400_000;

type Verdict =
  | { readonly cause: FactorCause }
  | { readonly proved: Proved; readonly credential: PersonCredential };

/**
 * Checks a second factor and uses it up, in one commit with what comes of it.
 *
 * The commit replaces the credential at the version that was read, whether the code was right or wrong, and nobody is told before it is
 * durable. So a code is accepted once and every try is counted, however many come at a time, in however many processes and
 * whenever they restart (I1, T5).
 *
 * Codes are limited by person, wherever they come from. A passkey cannot be guessed: it has no limit, and it works while codes do not.
 *
 * @param holder reads the pass that the factor is proved for; undefined when it is no longer there
 * @param use what comes of it; may run more than once
 * @throws {Refused<FactorRefusal | ClockRefusal>}
 */
export async function useFactor<K extends PassKind, R, Change = never>(
  deps: Omit<SignInDeps, 'store'> & { readonly store: CommitPort<SignInChange | Change> },
  holder: () => Promise<LivePass<K> | undefined>,
  proof: FactorProof,
  use: (holder: LivePass<K>, proved: Proved, credential: PersonCredential) => FactorUse<R, Change>,
  origin: Origin,
): Promise<R> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const held = await holder();
    const credential = held?.credential;
    if (!credential) throw new Refused<FactorRefusal>('sign-in-expired');
    await refuseWhileAhead(
      deps.refusals,
      { type: 'person.factor-refused', target: credential.personId },
      origin,
    );
    const { pass } = held;
    const challenge = 'challenge' in pass ? pass.challenge : undefined;
    const verdict = await judge(deps, credential, proof, challenge, origin);
    if ('proved' in verdict) {
      const { changes, events, result, authority } = use(held, verdict.proved, verdict.credential);
      const outcome = await deps.store.commit({
        changes: [replacing(credential, verdict.credential, origin.now), ...changes],
        events,
        authority: authority ?? authorityOf(pass as Pass),
      });
      if (outcome.committed) return result;
      if (authority && !isOfPass(outcome, pass as Pass)) assertAuthorityHeld(outcome);
      assertHolderHeld(outcome);
    } else if (await isRefusalRecorded(deps, credential, verdict.cause, origin)) {
      deps.figures['factor-refused'] += 1;
      throw new Refused<FactorRefusal>('factor-refused');
    }
  }
  throw new StoreUnavailable(`a credential was changed ${MAX_ATTEMPTS} times while a factor was checked`);
}

/** Whether it is the pass itself that has ended, and not what it is used for. */
function isOfPass(outcome: CommitOutcome, pass: Pass): boolean {
  if (outcome.committed || outcome.conflict !== 'authority-ended') return false;
  return pass.lineage.split(' ').includes(outcome.ended) || outcome.ended === authorityOf(pass).pass?.handle;
}

/** @throws {Refused<'sign-in-expired'>} where the sign-in, the session or the person has ended meanwhile */
export function assertHolderHeld(outcome: CommitOutcome): void {
  if (!outcome.committed && outcome.conflict === 'authority-ended') {
    throw new Refused<FactorRefusal>('sign-in-expired');
  }
}

/** Replaces a credential at the version that was read. */
export function replacing(
  current: PersonCredential,
  next: PersonCredential,
  now: number,
): Extract<SignInChange, { readonly kind: 'replace'; readonly collection: 'person-credential' }> {
  return {
    kind: 'replace',
    collection: 'person-credential',
    record: { ...next, version: current.version + 1, updatedAt: Math.max(now, current.updatedAt) },
    ifVersion: current.version,
  };
}

async function judge(
  deps: Omit<SignInDeps, 'store'>,
  credential: PersonCredential,
  proof: FactorProof,
  challenge: string | undefined,
  moment: Moment,
): Promise<Verdict> {
  if ('assertion' in proof) {
    const { passkeys } = credential;
    const used =
      challenge === undefined
        ? undefined
        : await checkAssertion(relyingParty(deps.issuer), passkeys, proof.assertion, challenge, moment.now);
    if (!used) return { cause: 'passkey-not-accepted' };
    return {
      proved: { amr: ['pop', 'user', 'mfa'], acr: 'phr' },
      credential: { ...credential, passkeys: passkeys.map(each => (each.id === used.id ? used : each)) },
    };
  }
  const verdict =
    'code' in proof
      ? judgeCode(deps, credential, proof.code, wallAt(moment))
      : await judgeRecoveryCode(deps, credential, proof.recoveryCode);
  // Last, so that a locked factor takes as long as any.
  return moment.now < credential.attempts.lockedUntil ? { cause: 'factor-locked' } : verdict;
}

/** What a code of an authenticator app, or a recovery code, says of a session. */
export const PROVED_BY_CODE: Proved = { amr: ['otp', 'mfa'], acr: 'urn:countersign:acr:mfa' };

function judgeCode(
  deps: Omit<SignInDeps, 'store'>,
  credential: PersonCredential,
  code: string,
  now: number,
): Verdict {
  const { totp } = credential;
  const step = totp && stepOfCode(deps.sealing.unseal(totp.sealedSeed, credential.id).toString(), code, now);
  if (!totp || step === undefined) return { cause: 'wrong-code' };
  if (step <= totp.lastStep || mayBeUsed(deps, usableFrom(step))) return { cause: 'code-used' };
  return {
    proved: PROVED_BY_CODE,
    credential: { ...credential, totp: { ...totp, lastStep: step }, attempts: NO_ATTEMPTS },
  };
}

async function judgeRecoveryCode(
  deps: Omit<SignInDeps, 'store'>,
  credential: PersonCredential,
  code: string,
): Promise<Verdict> {
  const { recoveryCodes } = credential;
  const digest = await findRecoveryCode(deps.slowHash, recoveryCodes, code);
  if (!recoveryCodes || digest === undefined) return { cause: 'wrong-recovery-code' };
  if (mayBeUsed(deps, recoveryCodes.madeAt)) return { cause: 'code-used' };
  const digests = recoveryCodes.digests.filter(each => each !== digest);
  return {
    proved: PROVED_BY_CODE,
    credential: { ...credential, recoveryCodes: { ...recoveryCodes, digests }, attempts: NO_ATTEMPTS },
  };
}

/** What was used after the backup and before the restore, the store does not know of (R150). */
export function mayBeUsed({ epochs }: Pick<SignInDeps, 'epochs'>, usableFromMs: number): boolean {
  const epoch = epochs.raisedTo(DEPLOYMENT);
  return epoch > 0 && isFromBeforeRestore(epoch, usableFromMs);
}

/** @returns false when the credential was changed meanwhile, so that the factor has to be looked at again */
async function isRefusalRecorded(
  deps: Pick<SignInDeps, 'refusals'> & { readonly store: CommitPort<SignInChange> },
  credential: PersonCredential,
  cause: FactorCause,
  origin: Origin,
): Promise<boolean> {
  const event = {
    type: 'person.factor-refused',
    outcome: 'refused',
    reason: cause,
    ...eventOrigin(origin),
    target: credential.personId,
  } as const satisfies AuditEvent;
  // Whoever may go on without end must not fill the disk.
  if (cause === 'factor-locked' || cause === 'passkey-not-accepted') {
    await deps.refusals.note(event, 'registered');
    return true;
  }
  const attempts = afterWrong(credential.attempts, origin.now);
  const isLocked = attempts.lockedUntil > credential.attempts.lockedUntil;
  const outcome = await deps.store.commit({
    changes: [replacing(credential, { ...credential, attempts }, origin.now)],
    events: [
      event,
      ...(isLocked
        ? [
            {
              type: 'person.factor-locked',
              outcome: 'done',
              ...eventOrigin(origin),
              target: credential.personId,
              detail: { until: new Date(attempts.lockedUntil).toISOString() },
            } as const,
          ]
        : []),
    ],
    authority: COUNTED,
  });
  return outcome.committed;
}

function afterWrong({ count, since, lockedUntil, locks }: CodeAttempts, now: number): CodeAttempts {
  const isPeriodOver = now - since >= PERIOD_MS;
  const wrong = isPeriodOver ? 1 : count + 1;
  if (wrong < MOST_WRONG) return { count: wrong, since: isPeriodOver ? now : since, lockedUntil, locks };
  const lockedMs = Math.min(LONGEST_LOCKED_MS, LOCKED_MS * 2 ** Math.min(locks, 10));
  return { count: 0, since: now, lockedUntil: now + lockedMs, locks: locks + 1 };
}
