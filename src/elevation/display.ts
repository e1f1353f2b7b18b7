import type { Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { PersonSession } from '../people/index.ts';
import { getElevation } from './change-elevation.ts';
import { noteForeign } from './deny.ts';
import type { ShownElevation } from './digest.ts';
import type { Elevation, ElevationStatus } from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';
import { aboutElevation } from './elevation-events.ts';
import type { DecideRefusal } from './elevation-refusal.ts';
import { elevationStatus } from './move-elevation.ts';
import { readShown } from './read-shown.ts';

/** What a person is shown of a request: everything on the card comes from here. */
export interface DisplayedElevation {
  readonly elevation: Elevation;
  /** What it is now, whether or not that is recorded. */
  readonly status: ElevationStatus;
  /** From the live records; undefined where one of them is gone. */
  readonly shown: ShownElevation | undefined;
  /** Of `shown`: what the decision has to carry. */
  readonly digest: string | undefined;
}

/** Displays that are in the trail: bounded, so that what is forgotten is written once more. */
const MOST_REMEMBERED = 10_000;

/** Remembers what was recorded as displayed, so that nobody fills the trail by looking again. One for a process. */
export class Displays {
  readonly #seen = new Set<string>();

  isFirst(key: string): boolean {
    if (this.#seen.has(key)) return false;
    if (this.#seen.size >= MOST_REMEMBERED) this.#seen.clear();
    this.#seen.add(key);
    return true;
  }
}

/**
 * Shows a request to whoever may countersign it, and records that it was shown while it waits. Nothing is decided by it, and nothing is
 * changed.
 *
 * @throws {Refused<DecideRefusal>} `elevation-unknown`; `elevation-not-yours`, which is recorded
 */
export async function displayElevation(
  deps: ElevationDeps & { readonly displays: Displays },
  session: Pick<PersonSession, 'id' | 'person'>,
  id: string,
  origin: Origin,
): Promise<DisplayedElevation> {
  await deps.freshness.fresh();
  const elevation = await getElevation(deps.elevations, id);
  if (elevation.approverId !== session.person.id) {
    await noteForeign(deps, session.person.id, id, origin);
    throw new Refused<DecideRefusal>('elevation-not-yours', { parameter: 'id', sent: id });
  }
  const status = elevationStatus(elevation, { ...origin, epochs: deps.epochs });
  const now = await readShown(deps, elevation);
  if (status === 'pending' && now && deps.displays.isFirst(`${session.id} ${id} ${now.digest}`)) {
    await deps.elevations.commit({
      changes: [],
      events: [
        {
          type: 'elevation.displayed',
          outcome: 'done',
          ...aboutElevation(elevation, origin),
          actor: [session.person.id],
          detail: { session: session.id, digest: now.digest },
        },
      ],
    });
  }
  return { elevation, status, shown: now?.shown, digest: now?.digest };
}
