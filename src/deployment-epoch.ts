/**
 * The deployment's own epoch says three things in one number, which every process hears of in one announcement, in memory and
 * in commit order (`docs/decisions/0003-the-deployment-epoch.md`):
 *
 * - every token carries it, so raising it ends every token there is (`liveness.ts`);
 * - it is odd while the deployment is quarantined, and even while it is open;
 * - it is the instant of the last restore, in milliseconds since the epoch, or a little later; 0 where there never was one.
 *   Whatever a caller made before that instant may have been used already, and the store cannot know it.
 */

/** The handle of the deployment itself. */
export const DEPLOYMENT = 'deployment';

/** Whether nothing may be granted. */
export function isQuarantineEpoch(epoch: number): boolean {
  return epoch % 2 === 1;
}

/**
 * The epoch that begins a quarantine: later than any before it, however the clock has been set (I18).
 *
 * @param highest the highest epoch of this deployment that anybody remembers
 * @param nowMs milliseconds since the epoch
 */
export function quarantineEpoch(highest: number, nowMs: number): number {
  const epoch = Math.max(highest + 1, nowMs);
  return isQuarantineEpoch(epoch) ? epoch : epoch + 1;
}

/** The epoch that ends a quarantine. */
export function openEpoch(closed: number): number {
  return closed + 1;
}

/**
 * Whether a proof that is good for one use may have been used before the last restore, which would have forgotten it (I1).
 *
 * @param madeAtMs when it was made at the earliest, in milliseconds since the epoch, by our clock: what its maker's clock may be
 *   ahead of ours has been taken off
 */
export function isFromBeforeRestore(epoch: number, madeAtMs: number): boolean {
  return madeAtMs <= epoch;
}
