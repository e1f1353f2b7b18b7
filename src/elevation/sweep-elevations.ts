import type { Origin } from '../audit/index.ts';
import {
  type ChangeElevationDeps,
  type ClosingStep,
  changeElevation,
  getElevation,
} from './change-elevation.ts';
import type { Elevation } from './elevation.ts';
import { ELEVATION_FACETS } from './elevation-facets.ts';
import { elevationStatus, endOfElevation } from './move-elevation.ts';

const PAGE = 100;

/**
 * Records that elevations are over: those that have run out, those that have lost what they rest on, and those whose token is over. They
 * were over before, and this only says so in the trail. Processes may do it at the same time: each end is recorded once.
 *
 * @returns how many there were
 */
export async function sweepElevations(deps: ChangeElevationDeps, origin: Origin): Promise<number> {
  await deps.freshness.fresh();
  // What is swept goes by the earlier of the two times.
  const at = { ...origin, latest: origin.now };
  let closed = 0;
  let after: string | undefined;
  do {
    const page = await deps.elevations.listElevations({
      facets: [ELEVATION_FACETS.open],
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    for (const elevation of page.items) {
      const step = closingStep(deps, elevation, at);
      if (!step) continue;
      const get = () => getElevation(deps.elevations, elevation.id);
      if (typeof (await changeElevation(deps, get, step, at, { none: 'background' })) !== 'string')
        closed += 1;
    }
    after = page.next;
  } while (after !== undefined);
  return closed;
}

function closingStep(
  { epochs }: Pick<ChangeElevationDeps, 'epochs'>,
  elevation: Elevation,
  at: Origin,
): ClosingStep | undefined {
  switch (elevationStatus(elevation, { latest: at.latest, epochs })) {
    case 'expired':
      return { kind: 'expire' };
    case 'cancelled':
      return { kind: 'cancel', reason: 'authority-ended' };
    case 'redeemed':
      return at.now >= endOfElevation(elevation) ? { kind: 'end' } : undefined;
    default:
      return undefined;
  }
}
