/**
 * The deployment's own epoch says four things in one number, which every process hears of in one announcement, in memory and
 * in commit order (`docs/decisions/0008-which-time-is-kept.md`):
 *
 * - every token carries it, so raising it ends every token there is (`liveness.ts`);
 * - it is odd while the deployment is quarantined, and even while it is open;
 * - its lower part is the instant of the last restore, or of the last time that a clock was accepted, in milliseconds since the
 *   epoch, or a little later; 0 where there never was one. Whatever a caller made before that instant may have been used already,
 *   and the store cannot know it;
 * - its upper part counts how often a clock was accepted that is behind what was committed. So epochs only rise, and the instant
 *   may fall: one of a clock that was ahead would refuse what everybody makes until then.
 */

/** The handle of the deployment itself. */
export const DEPLOYMENT = 'deployment';

/** Instants are less: until the year 2248. Even, so that what is odd stays odd. */
const INSTANTS = 2 ** 43;
/** Above, a number is not exact any more. */
const MAX_ERAS = 2 ** 10;

/** Whether nothing may be granted. */
export function isQuarantineEpoch(epoch: number): boolean {
  return epoch % 2 === 1;
}

/** How often a clock was accepted: times of different eras are not compared with each other. */
export function eraOf(epoch: number): number {
  return Math.floor(epoch / INSTANTS);
}

/** The epoch that an instant of a clock would have in an era. */
function epochAt(era: number, nowMs: number): number {
  return era * INSTANTS + Math.min(Math.max(nowMs, 0), INSTANTS - 4);
}

/**
 * The epoch that begins a quarantine: later than any before it, however the clock has been set (I18).
 *
 * @param highest the highest epoch of this deployment that anybody remembers
 * @param nowMs milliseconds since the epoch
 */
export function quarantineEpoch(highest: number, nowMs: number): number {
  const epoch = Math.max(highest + 1, epochAt(eraOf(highest), nowMs));
  return isQuarantineEpoch(epoch) ? epoch : epoch + 1;
}

/** The epoch that ends a quarantine. */
export function openEpoch(closed: number): number {
  return closed + 1;
}

/**
 * The epoch from which on time is what the machine's clock says, though later times were committed: of the next era. A quarantine
 * goes on.
 *
 * @param wallMs milliseconds since the epoch
 * @throws {RangeError} when clocks have been accepted more often than can be counted, or it is past the year 2248
 */
export function acceptedEpoch(current: number, wallMs: number): number {
  const era = eraOf(current) + 1;
  if (era >= MAX_ERAS || wallMs < 0 || wallMs > INSTANTS - 4) {
    throw new RangeError(`no clock can be accepted that says ${wallMs}, for the ${era}th time`);
  }
  const epoch = epochAt(era, wallMs);
  return isQuarantineEpoch(epoch) === isQuarantineEpoch(current) ? epoch : epoch + 1;
}

/**
 * Whether a proof that is good for one use may have been used before the last restore, which would have forgotten it, or before a
 * clock was accepted (I1).
 *
 * @param madeAtMs when it was made at the earliest, in milliseconds since the epoch, by our clock: what its maker's clock may be
 *   ahead of ours has been taken off
 */
export function isFromBeforeRestore(epoch: number, madeAtMs: number): boolean {
  return madeAtMs <= epoch % INSTANTS;
}
