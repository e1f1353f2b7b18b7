import { assertVersion, type IfMatch, type Origin, TAKES_AWAY } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { type ChangeElevationDeps, changeElevation, getElevation } from './change-elevation.ts';
import type { DenialReason, Elevation } from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';
import { aboutElevation } from './elevation-events.ts';
import type { DecideRefusal } from './elevation-refusal.ts';
import type { MoveRefusal } from './move-elevation.ts';

/**
 * Whoever may countersign does not: one press, and no code. It beats an approval that is made at the same time; of what was approved
 * before, it takes the approval back, and the token of it is dead. Nothing can slow it: it rests on no authority in the commit.
 *
 * @param personId whose session it is
 * @throws {Refused<DecideRefusal>} recorded where it is somebody else's to decide
 */
export async function denyElevation(
  deps: ChangeElevationDeps & Pick<ElevationDeps, 'refusals'>,
  personId: `usr_${string}`,
  id: string,
  reason: DenialReason,
  origin: Origin,
): Promise<Elevation> {
  const denied = await changeElevation(
    deps,
    () => getElevation(deps.elevations, id),
    { kind: 'deny', by: personId, reason },
    { ...origin, actor: [personId] },
    TAKES_AWAY,
  );
  if (typeof denied !== 'string') return denied;
  if (denied === 'elevation-not-yours') await noteForeign(deps, personId, id, origin);
  throw new Refused(asDecideRefusal(denied));
}

/**
 * An administrator takes an elevation back: what waits cannot be approved, and what was approved is dead with its token. What is over
 * stays as it is.
 *
 * @throws {Refused<DecideRefusal>} `elevation-unknown`
 */
export async function revokeElevation(
  deps: ChangeElevationDeps,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<Elevation> {
  const get = async () => {
    const current = await getElevation(deps.elevations, id);
    assertVersion(current, ifMatch);
    return current;
  };
  const revoked = await changeElevation(deps, get, { kind: 'revoke' }, origin, TAKES_AWAY);
  return typeof revoked === 'string' ? getElevation(deps.elevations, id) : revoked;
}

/** That somebody wanted to decide what is not theirs to decide (R075). */
export async function noteForeign(
  deps: Pick<ElevationDeps, 'refusals' | 'elevations'>,
  personId: string,
  id: string,
  origin: Origin,
): Promise<void> {
  const elevation = await getElevation(deps.elevations, id);
  await deps.refusals.note(
    {
      type: 'elevation.decide-refused',
      outcome: 'refused',
      reason: 'elevation-not-yours',
      ...aboutElevation(elevation, origin),
      actor: [personId],
    },
    'registered',
  );
}

/** A step of a person is refused for what the elevation is, or for whose it is. */
export function asDecideRefusal(refusal: MoveRefusal): DecideRefusal {
  if (refusal === 'elevation-not-over' || refusal === 'elevation-pending') {
    throw new TypeError(`no step of a person is refused for ${refusal}`);
  }
  return refusal;
}
