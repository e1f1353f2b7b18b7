import { setTimeout as delay } from 'node:timers/promises';
import type { Origin } from '../origin.ts';
import { type AuditEvent, eventOrigin } from './audit-event.ts';
import type { AuditStore } from './audit-store.ts';
import type { LaneHead } from './chain.ts';
import { digestOfCuts, type LaneCut, type MoveCuts } from './cut.ts';
import { decidedAt } from './trail.ts';
import type { CommitPort } from './unit-of-commit.ts';

/** What retention needs of a store. */
export interface RetentionStore
  extends Pick<AuditStore, 'listLanes' | 'readLane' | 'readCuts'>,
    CommitPort<MoveCuts> {
  /**
   * Removes the oldest rows of a lane, those up to its cut alone, a small batch at a time.
   *
   * @returns how many were removed
   */
  removeCutRows(lane: string, limit: number): Promise<number>;
}

export interface RetentionDeps {
  readonly store: RetentionStore;
  /**
   * Signs where the trail stands now and, where checkpoints are delivered, waits for nothing.
   *
   * @returns whether all that is recorded is in a checkpoint that has been exported
   */
  readonly isExported: () => Promise<boolean>;
  /** How many rows are removed at a time. */
  readonly rowsPerBatch?: number;
}

const ROWS_PER_BATCH = 500;
/** Between batches, so that commits hardly wait. */
const PAUSE_MS = 20;

/**
 * Removes what was decided before an instant, so that the rest verifies: the last removed row of each lane is kept as its cut, an
 * event that holds the digest of all cuts is recorded with them, and rows go only when a checkpoint that vouches for that event
 * has been exported. A crash between these steps leaves more than it should, and the next run removes it. The last row of a lane
 * stays, whatever its age: it is where checkpoints say the lane ends.
 *
 * @param before milliseconds since the epoch
 * @returns how many rows were removed
 */
export async function pruneTrail(deps: RetentionDeps, before: number, origin: Origin): Promise<number> {
  const { store, rowsPerBatch = ROWS_PER_BATCH } = deps;
  const moved = await moveCuts(store, before, origin);
  const { cuts } = await store.readCuts();
  const waiting: LaneCut[] = [];
  for (const cut of cuts) {
    const [first] = await store.readLane(cut.lane, 1, 1);
    if (first && first.seq <= cut.seq) waiting.push(cut);
  }
  if (!moved || waiting.length === 0 || !(await deps.isExported())) return 0;
  let removed = 0;
  for (const { lane } of waiting) {
    for (let last = rowsPerBatch; last === rowsPerBatch; removed += last) {
      last = await store.removeCutRows(lane, rowsPerBatch);
      await delay(PAUSE_MS);
    }
  }
  return removed;
}

/** @returns false when another process was faster: it is its turn then */
async function moveCuts(store: RetentionStore, before: number, origin: Origin): Promise<boolean> {
  const { version, cuts } = await store.readCuts();
  const known = new Map(cuts.map(cut => [cut.lane, cut]));
  let rows = 0;
  const further: LaneCut[] = [];
  for (const head of await store.listLanes()) {
    const from = known.get(head.lane)?.seq ?? 0;
    const cut = await findCut(store, head, from, before);
    if (!cut) continue;
    rows += cut.seq - from;
    further.push(cut);
    known.set(cut.lane, cut);
  }
  if (further.length === 0) return true;
  const event: AuditEvent = {
    type: 'audit.pruned',
    outcome: 'done',
    ...eventOrigin(origin),
    detail: { before, rows, lanes: further.length, cuts: digestOfCuts([...known.values()]) },
  };
  const change: MoveCuts = { kind: 'move-cuts', version: version + 1, cuts: further };
  return (await store.commit({ changes: [change], events: [event] })).committed;
}

/** The last row of a lane, beyond `from` and before its head, that was decided before an instant. Rows are in order of time. */
async function findCut(
  store: RetentionStore,
  { lane, seq: headSeq }: LaneHead,
  from: number,
  before: number,
): Promise<LaneCut | undefined> {
  const isOld = async (seq: number): Promise<boolean> => {
    const [row] = await store.readLane(lane, seq, 1);
    return row?.seq === seq && (decidedAt(row.body) ?? before) < before;
  };
  let [old, young] = [from, headSeq];
  if (young - old < 2 || !(await isOld(old + 1))) return undefined;
  while (young - old > 1) {
    const middle = Math.floor((old + young) / 2);
    if (await isOld(middle)) old = middle;
    else young = middle;
  }
  const [row] = await store.readLane(lane, old, 1);
  return row?.seq === old ? { lane, seq: old, hash: row.hash } : undefined;
}
