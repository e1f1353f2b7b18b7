import {
  AuthorityEnded,
  type CommitPort,
  type ExpectVersion,
  eventOrigin,
  type Origin,
  TAKES_AWAY,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { countersign, type SignInChange, type SignInDeps } from '../people/index.ts';
import { changeElevation, getElevation } from './change-elevation.ts';
import { asDecideRefusal, noteForeign } from './deny.ts';
import type { Elevation } from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';
import { aboutElevation } from './elevation-events.ts';
import type { DecideRefusal } from './elevation-refusal.ts';
import type { ElevationChange } from './elevation-store.ts';
import { approvingUnit, elevationStatus, moveElevation } from './move-elevation.ts';
import { readShown, type ShownNow } from './read-shown.ts';

type ApprovingChange = ElevationChange | ExpectVersion;

export interface ApproveDeps extends ElevationDeps {
  readonly signIn: Omit<SignInDeps, 'store'>;
  /** The same store: what the code is proved by, and what it is proved for, is one unit. */
  readonly store: CommitPort<SignInChange | ApprovingChange>;
}

/** What somebody countersigns, and with what. */
export interface Countersignature {
  /** Of what was shown to them (I4). */
  readonly digest: string;
  /** Of their authenticator app: another one than they signed in with, and good for this alone. */
  readonly code: string;
}

/**
 * Whoever may countersigns: one unit uses the code up, approves exactly what was shown, and rests on the session, on everything that the
 * elevation has rested on since it was asked for, and on the version of each record that was shown. It is never tried again where
 * somebody else was first to change the elevation, so that it never beats a denial (I6).
 *
 * @param sessionValue of the session's cookie
 * @throws {Refused<DecideRefusal>} with which no code is used up and no try counted
 * @throws {Refused<FactorRefusal>} a wrong code, or one that was used, is counted by person; `sign-in-expired` without a session
 * @throws {StoreUnavailable}
 */
export async function approveElevation(
  deps: ApproveDeps,
  sessionValue: unknown,
  id: string,
  { digest, code }: Countersignature,
  origin: Origin,
): Promise<Elevation> {
  let read: Elevation | undefined;
  try {
    return await countersign<ApprovingChange, Elevation>(
      { ...deps.signIn, store: deps.store },
      sessionValue,
      code,
      async ({ person }) => {
        await deps.freshness.fresh();
        const current = await getElevation(deps.elevations, id);
        if (read && current.version !== read.version) throw changedSince(deps, current, origin);
        read = current;
        const now = await readShown(deps, current);
        const approved = moveElevation(
          current,
          {
            kind: 'approve',
            by: person.id,
            digest,
            shownNow: now?.digest,
            expiresAt: now ? endOfApproval(current, now, origin.now) : 0,
          },
          { ...origin, epochs: deps.epochs },
        );
        if (approved === 'elevation-digest-differs') await cancelChanged(deps, id, origin);
        if (approved === 'elevation-not-yours') await noteForeign(deps, person.id, id, origin);
        // What it is recorded as may be over meanwhile.
        if (approved === `elevation-${current.status}`) throw changedSince(deps, current, origin);
        if (typeof approved === 'string') throw new Refused(asDecideRefusal(approved));
        if (!now?.digest || (approved.approval?.expiresAt ?? 0) <= origin.latest) {
          throw new Refused<DecideRefusal>('elevation-expired');
        }
        return {
          ...approvingUnit(current, approved, now.versions),
          events: [
            {
              type: 'elevation.approved',
              outcome: 'done',
              ...aboutElevation(approved, origin),
              ...eventOrigin({ ...origin, actor: [person.id] }),
              detail: {
                agent: approved.agentId,
                digest,
                seconds: approved.seconds,
                expiresAt: approved.approval?.expiresAt ?? 0,
              },
            },
          ],
          result: approved,
        };
      },
      origin,
    );
  } catch (error) {
    throw await afterRefusal(deps, id, error, origin);
  }
}

/** The end of what is approved, fixed now: so many seconds from now, and not beyond what it rests on. */
function endOfApproval(
  { seconds }: Elevation,
  { records: { agent, delegation } }: ShownNow,
  now: number,
): number {
  return Math.min(
    now + seconds * 1_000,
    agent.expiresAt ?? Number.POSITIVE_INFINITY,
    delegation?.expiresAt ?? Number.POSITIVE_INFINITY,
  );
}

/** What was shown is not what is there: whoever wants it has to ask anew, and it is shown anew (I4). */
async function cancelChanged(deps: ElevationDeps, id: string, origin: Origin): Promise<void> {
  await changeElevation(
    deps,
    () => getElevation(deps.elevations, id),
    { kind: 'cancel', reason: 'changed' },
    origin,
    TAKES_AWAY,
  );
}

/** It is no longer what the decision was about. */
function changedSince(deps: ElevationDeps, current: Elevation, origin: Origin): Refused<DecideRefusal> {
  const status = elevationStatus(current, { ...origin, epochs: deps.epochs });
  return new Refused<DecideRefusal>(status === 'pending' ? 'elevation-changed' : `elevation-${status}`);
}

/** What a refused approval leaves behind, and what is told of it. */
async function afterRefusal(deps: ApproveDeps, id: string, error: unknown, origin: Origin): Promise<unknown> {
  if (error instanceof AuthorityEnded) {
    await deps.freshness.fresh();
    const refused = changedSince(deps, await getElevation(deps.elevations, id), origin);
    // Nothing was cut off, and it was in time when it was looked at: then it is the time to decide that was over.
    return refused.reason === 'elevation-changed' ? new Refused<DecideRefusal>('elevation-expired') : refused;
  }
  return error;
}
