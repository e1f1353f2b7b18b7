import { type Epochs, findDeadHandle, handle } from '../liveness.ts';
import type { JudgedElevation } from './list-elevations.ts';
import { endOfElevation } from './move-elevation.ts';

/**
 * What is left of something that was countersigned.
 *
 * - `running`: its token lives, or can still be fetched
 * - `ran-out`: its time is over
 * - `cut-off`: something that it rests on has ended, or the token itself
 */
export type Standing = 'running' | 'ran-out' | 'cut-off';

/** What is left of an elevation, as the person sees it who countersigned it; undefined where nothing is approved, or it was taken back. Pure. */
export function standingOf(
  { elevation, status }: JudgedElevation,
  { epochs, latest }: { readonly epochs: Epochs; readonly latest: number },
): Standing | undefined {
  if (status === 'approved') return 'running';
  if (status !== 'redeemed') return undefined;
  if (latest >= endOfElevation(elevation)) return 'ran-out';
  const { lineage, redeemed } = elevation;
  const token = redeemed ? ` ${handle(redeemed.jti, 0)}` : '';
  return findDeadHandle(`${lineage}${token}`, epochs) === undefined ? 'running' : 'cut-off';
}

export function isRunning(...judged: Parameters<typeof standingOf>): boolean {
  return standingOf(...judged) === 'running';
}
