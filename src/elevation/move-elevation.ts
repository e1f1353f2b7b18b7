import type { ExpectVersion, HeldAuthority, ReplaceRecord } from '../audit/index.ts';
import { type Epochs, findDeadHandle, type Lineage } from '../liveness.ts';
import {
  type Approval,
  type CancelReason,
  CODE_LIFETIME_SECONDS,
  DECIDE_WITHIN_MS,
  type DenialReason,
  type Elevation,
  type ElevationStatus,
} from './elevation.ts';

/** What may become of an elevation, and by whom. */
export type Step =
  | {
      readonly kind: 'approve';
      readonly by: `usr_${string}`;
      /** Of what was shown to them. */
      readonly digest: string;
      /** Of what would be shown now; undefined where it can be shown no more. */
      readonly shownNow: string | undefined;
      /** The end of what is approved, in milliseconds since the epoch. */
      readonly expiresAt: number;
    }
  | { readonly kind: 'deny'; readonly by: `usr_${string}`; readonly reason: DenialReason }
  | { readonly kind: 'revoke' }
  | { readonly kind: 'cancel'; readonly reason: CancelReason }
  | { readonly kind: 'expire' }
  | { readonly kind: 'end' }
  | { readonly kind: 'redeem'; readonly shownNow: string | undefined; readonly jti: string };

export type StepKind = Step['kind'];

/** Why a step is not made: what the elevation is already, or which guard refused. */
export type MoveRefusal =
  | `elevation-${ElevationStatus}`
  | 'elevation-not-yours'
  | 'elevation-digest-differs'
  | 'elevation-not-over';

/** When a step is made, and what has been cut off by then, as far as it is known. */
export interface StepWorld {
  /** Milliseconds since the epoch: what is written goes by it. */
  readonly now: number;
  /** The latest that it may be: ends are judged by it. */
  readonly latest: number;
  readonly epochs: Epochs;
}

type Guard = (elevation: Elevation, step: Step, world: StepWorld) => MoveRefusal | undefined;

/** From where each step leads. */
const FROM: Readonly<Record<StepKind, readonly ElevationStatus[]>> = {
  approve: ['pending'],
  deny: ['pending', 'approved', 'redeemed'],
  revoke: ['pending', 'approved', 'redeemed'],
  cancel: ['pending', 'approved'],
  expire: ['pending', 'approved'],
  end: ['redeemed'],
  redeem: ['approved'],
};

/**
 * Everything that must be true for a step, by name: what a step needs stands here and nowhere else, and a test takes each out once.
 *
 * - `approver`: nobody else decides
 * - `status`: final is final; nothing is approved twice, or redeemed twice (I1, I6)
 * - `lineage`: nothing is approved or redeemed once anything that it rests on was cut off (I7)
 * - `time`: nor once it has run out, whether or not that is recorded
 * - `shown`: what is approved, and what is issued, is what was shown (I4)
 * - `over`: nothing is recorded as over that is not
 */
export const GUARDS = {
  approver: ({ approverId }, step) =>
    'by' in step && step.by !== approverId ? 'elevation-not-yours' : undefined,
  status: ({ status, endedAt }, { kind }) =>
    FROM[kind].includes(status) && !(kind === 'end' && endedAt !== undefined)
      ? undefined
      : `elevation-${status}`,
  lineage: ({ lineage }, { kind }, { epochs }) =>
    (kind === 'approve' || kind === 'redeem') && findDeadHandle(lineage, epochs) !== undefined
      ? 'elevation-cancelled'
      : undefined,
  time: (elevation, { kind }, { latest }) =>
    (kind === 'approve' || kind === 'redeem') && hasRunOut(elevation, latest)
      ? 'elevation-expired'
      : undefined,
  shown: ({ approval }, step) => {
    if (step.kind === 'approve') {
      return step.digest === step.shownNow ? undefined : 'elevation-digest-differs';
    }
    return step.kind === 'redeem' && step.shownNow !== approval?.digest
      ? 'elevation-digest-differs'
      : undefined;
  },
  over: (elevation, { kind }, { latest, now }) =>
    // What is recorded goes by the earlier of the two times: it may not be over yet.
    (kind === 'expire' || kind === 'end') && !hasRunOut(elevation, Math.min(now, latest))
      ? 'elevation-not-over'
      : undefined,
} as const satisfies Record<string, Guard>;

export type GuardName = keyof typeof GUARDS;
export const GUARD_NAMES = Object.keys(GUARDS) as readonly GuardName[];

/**
 * The one state machine: makes a step, or says why not. Pure. What it answers is committed by one conditional write of the version
 * that was read, so that of two steps that are made at once one alone is made.
 *
 * Whatever is taken back raises the epoch: whatever carries the handle is dead, also what is issued in this moment.
 *
 * @param guards for tests alone, which show that each is needed
 */
export function moveElevation(
  elevation: Elevation,
  step: Step,
  world: StepWorld,
  guards: readonly GuardName[] = GUARD_NAMES,
): Elevation | MoveRefusal {
  for (const name of guards) {
    const refusal = GUARDS[name](elevation, step, world);
    if (refusal) return refusal;
  }
  const moved = {
    ...elevation,
    ...afterStep(elevation, step, world.now),
    version: elevation.version + 1,
    updatedAt: Math.max(world.now, elevation.updatedAt),
  };
  const takesBack = moved.status !== 'approved' && moved.status !== 'redeemed';
  return takesBack ? { ...moved, epoch: elevation.epoch + 1 } : moved;
}

function afterStep({ approval }: Elevation, step: Step, at: number): Partial<Elevation> {
  switch (step.kind) {
    case 'approve': {
      const { by, digest, expiresAt } = step;
      return { status: 'approved', approval: { by, at, digest, expiresAt } satisfies Approval };
    }
    case 'deny': {
      const { by, reason } = step;
      return { status: approval ? 'revoked' : 'denied', denial: { by, at, reason } };
    }
    case 'revoke':
      return { status: 'revoked' };
    case 'cancel':
      return { status: 'cancelled', cancelReason: step.reason };
    case 'expire':
      return { status: 'expired' };
    case 'end':
      return { endedAt: at };
    case 'redeem':
      return { status: 'redeemed', redeemed: { at, jti: step.jti } };
  }
}

/** The one conditional write of a step. */
export function writeOf(before: Elevation, after: Elevation): ReplaceRecord<'elevation', Elevation> {
  return { kind: 'replace', collection: 'elevation', record: after, ifVersion: before.version };
}

/**
 * What an approval is committed with, besides the use of the code: the version of each record that was shown. It rests on everything that
 * the elevation rests on, until somebody had to decide.
 */
export function approvingUnit(
  before: Elevation,
  approved: Elevation,
  versions: readonly ExpectVersion[],
): {
  readonly changes: readonly (ExpectVersion | ReplaceRecord<'elevation', Elevation>)[];
  readonly restsOn: { readonly lineage: Lineage; readonly expiresAt: number };
} {
  return {
    changes: [...versions, writeOf(before, approved)],
    restsOn: { lineage: before.lineage, expiresAt: before.decideBy },
  };
}

/** On what a redemption is committed: everything that the elevation rests on, until what was approved ends. */
export function redeemingAuthority(before: Elevation): HeldAuthority {
  return { lineage: before.lineage, expiresAt: endOfElevation(before), own: [before.agentId] };
}

/** The instant from which on an elevation is over by itself, in milliseconds since the epoch. */
export function endOfElevation({ status, decideBy, approval }: Elevation): number {
  if (status === 'pending' || !approval) return decideBy;
  // It was asked for so long before the decisions close.
  const codeEndsAt = decideBy - DECIDE_WITHIN_MS + CODE_LIFETIME_SECONDS * 1_000;
  return status === 'approved' ? Math.min(codeEndsAt, approval.expiresAt) : approval.expiresAt;
}

function hasRunOut(elevation: Elevation, nowMs: number): boolean {
  return nowMs >= endOfElevation(elevation);
}

/**
 * What an elevation is at a moment, whether or not that is recorded: what waits or is approved is over once its time has passed, or
 * anything that it rests on was cut off, and stays over when that is restored.
 *
 * @param latest the latest that it may be, in milliseconds since the epoch
 */
export function elevationStatus(
  elevation: Elevation,
  { latest, epochs }: Pick<StepWorld, 'latest' | 'epochs'>,
): ElevationStatus {
  const { status, lineage } = elevation;
  if (status !== 'pending' && status !== 'approved') return status;
  if (findDeadHandle(lineage, epochs) !== undefined) return 'cancelled';
  return hasRunOut(elevation, latest) ? 'expired' : status;
}
