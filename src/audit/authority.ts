import { Refused } from '../errors.ts';
import { type Epochs, findDeadHandle, type Handle, type HandleId, type Lineage } from '../liveness.ts';
import type { Origin } from './audit-event.ts';
import type { CommitOutcome } from './unit-of-commit.ts';

/**
 * On whose authority something is changed: checked where it is used, in the transaction that changes it and before the changes,
 * so that nothing is done by somebody who has ended meanwhile, and one may still end oneself.
 */
export type Authority = HeldAuthority | WithoutAuthority;

/** What somebody holds: current handles, until an end. */
export interface HeldAuthority {
  /** What it descends from, at the epochs that were read when it was checked. */
  readonly lineage: Lineage;
  /** Milliseconds since the epoch; ended from then on. */
  readonly expiresAt: number;
  /**
   * The identities of the lineage that are the principal itself: the token, the agent or person that it is of. Where a
   * transaction does not see what commits beside it, these are ordered against their cutoffs; the others are only read, so that
   * no row is hot.
   */
  readonly own: readonly HandleId[];
  /** The session or link by which it is held: ended once it is gone. */
  readonly pass?: HoldingPass;
}

export interface HoldingPass {
  readonly kind: string;
  readonly key: string;
  /** By which it is named where it has ended. */
  readonly handle: Handle;
}

/** Nobody's authority, and why nobody's is needed. */
export interface WithoutAuthority {
  readonly none: NoAuthority;
}

/**
 * - `boot`: the server sets itself up
 * - `host-command`: whoever runs the host
 * - `background`: what the server does by its own clock
 * - `takes-away`: it ends something and gives nobody anything: nobody can slow their own end
 * - `counter`: a try or a use is counted, whoever made it
 * - `stranger`: what anybody may leave, which gives nobody anything
 */
export type NoAuthority = 'boot' | 'host-command' | 'background' | 'takes-away' | 'counter' | 'stranger';

export const TAKES_AWAY: WithoutAuthority = { none: 'takes-away' };
export const COUNTED: WithoutAuthority = { none: 'counter' };

/** The end of an authority that has none of its own. */
export const WITHOUT_END_MS = Number.MAX_SAFE_INTEGER;

/** A request, and on whose authority it changes something. */
export interface AuthorisedOrigin extends Origin {
  readonly authority: Authority;
}

/** - `authority-ended`: what the request was authorised by has ended before it was done */
export type AuthorityRefusal = 'authority-ended';

/**
 * The handle by which an authority has ended, if it has: the one that was cut off, or else its first where its time is over.
 * Pure; whether its pass is still there is for the store to find out.
 *
 * @param nowMs milliseconds since the epoch
 */
export function findEndedHandle(
  { lineage, expiresAt }: Pick<HeldAuthority, 'lineage' | 'expiresAt'>,
  epochs: Epochs,
  nowMs: number,
): Handle | undefined {
  const dead = findDeadHandle(lineage, epochs);
  if (dead !== undefined) return dead;
  return nowMs < expiresAt ? undefined : (lineage.split(' ', 1)[0] as Handle);
}

/** What was authorised died before the commit. */
export class AuthorityEnded extends Refused<AuthorityRefusal> {
  /** The handle by which it ended: for the trail, and never told. */
  readonly ended: Handle;

  constructor(ended: Handle) {
    super('authority-ended');
    this.ended = ended;
  }
}

/** @throws {AuthorityEnded} where a unit was not committed for that */
export function assertAuthorityHeld(outcome: CommitOutcome): void {
  if (!outcome.committed && outcome.conflict === 'authority-ended') {
    throw new AuthorityEnded(outcome.ended);
  }
}
