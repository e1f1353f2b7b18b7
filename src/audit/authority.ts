import { Refused } from '../errors.ts';
import { type Epochs, findDeadHandle, type Handle } from '../liveness.ts';
import type { HeldAuthority } from '../origin.ts';
import type { CommitOutcome } from './unit-of-commit.ts';

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
