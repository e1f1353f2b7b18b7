import { type Authority, assertAuthorityHeld, type Origin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import type { Elevation } from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';
import { closedEvent } from './elevation-events.ts';
import type { DecideRefusal } from './elevation-refusal.ts';
import { type MoveRefusal, moveElevation, type Step, writeOf } from './move-elevation.ts';

export type ChangeElevationDeps = Pick<ElevationDeps, 'elevations' | 'epochs' | 'freshness'>;

/** What takes something back, or records that it is over. What gives something is never tried again: `approve.ts`, `redeem.ts`. */
export type ClosingStep = Exclude<Step, { readonly kind: 'approve' | 'redeem' }>;

/** Far more changes than can get in between by accident. */
const MAX_ATTEMPTS = 20;

/**
 * Takes an elevation back, or records that it is over. Where another change came first it is tried again on what is there then, so that
 * it never loses to what gives something (I6).
 *
 * @param get reads the elevation, throws where there is none
 * @param detail what the trail has besides
 * @returns the elevation as it is now, or why the step is not made
 * @throws {StoreUnavailable}
 */
export async function changeElevation(
  deps: ChangeElevationDeps,
  get: () => Promise<Elevation>,
  step: ClosingStep,
  origin: Origin,
  authority: Authority,
  detail: Readonly<Record<string, string>> = {},
): Promise<Elevation | MoveRefusal> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const current = await get();
    const next = moveElevation(current, step, { ...origin, epochs: deps.epochs });
    if (typeof next === 'string') return next;
    const outcome = await deps.elevations.commit({
      changes: [writeOf(current, next)],
      events: [closedEvent(next, origin, detail)],
      authority,
    });
    assertAuthorityHeld(outcome);
    if (outcome.committed) return next;
  }
  throw new StoreUnavailable(`an elevation was changed ${MAX_ATTEMPTS} times while it was being closed`);
}

/** @throws {Refused<DecideRefusal>} `elevation-unknown` */
export async function getElevation(
  elevations: Pick<ElevationDeps['elevations'], 'findElevation'>,
  id: string,
): Promise<Elevation> {
  const elevation = await elevations.findElevation(id);
  if (elevation) return elevation;
  throw new Refused<DecideRefusal>('elevation-unknown', { parameter: 'id', sent: id });
}
