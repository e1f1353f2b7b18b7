/**
 * The thread that owns the writing connection, so that an fsync, a checkpoint or another process's lock never holds up an
 * introspection. It takes batches of units, commits each batch at once, and answers after the commit.
 */
import { statSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { emptyLane } from '../../audit/chain.ts';
import type { LaneHead, Uncommitted } from '../../audit/index.ts';
import type { AttemptAddition } from '../../limits/index.ts';
import { eraBegunBy } from '../era-begun-by.ts';
import { SavepointNeeded, UnitApplier, type UnitToWrite } from './apply-unit.ts';
import { attemptDigest } from './attempt-digest.ts';
import { openForWriting } from './database.ts';
import { type FlatBatch, unflatten } from './flat-batch.ts';
import { KeptTime } from './kept-time.ts';
import { migrate } from './migrations.ts';
import { removeCutRows } from './remove-cut-rows.ts';
import { Sweeper } from './sweep.ts';

export interface WriterData {
  readonly path: string;
  readonly lane: string;
  /** How many times longer than usual it waits for other processes; 1 where absent. */
  readonly patience?: number | undefined;
}

/** When something is written, and by a clock that was accepted how often. */
export interface CommitTime {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly era: number;
}

export type WriterRequest =
  | ({ readonly kind: 'commit'; readonly batch: FlatBatch; readonly latest: number } & CommitTime)
  | { readonly kind: 'note-uses'; readonly uses: ReadonlyMap<string, number> }
  | { readonly kind: 'add-attempts'; readonly additions: readonly AttemptAddition[] }
  | ({ readonly kind: 'sweep' } & CommitTime)
  | { readonly kind: 'last-committed' }
  | { readonly kind: 'remove-cut-rows'; readonly lane: string; readonly limit: number }
  | { readonly kind: 'close' };

export type WriterResponse =
  | { readonly kind: 'ready' }
  /** All units but those that met a conflict, by their places in the batch. */
  | { readonly kind: 'committed'; readonly conflicts: ReadonlyMap<number, Uncommitted> }
  | { readonly kind: 'counted'; readonly totals: readonly number[] }
  | { readonly kind: 'done'; readonly rows: number }
  | { readonly kind: 'last-committed'; readonly at: number | undefined }
  | { readonly kind: 'failed'; readonly message: string };

if (!parentPort) throw new Error('this module runs as a worker thread');
const port = parentPort;
const { path, lane, patience } = workerData as WriterData;

let [now, latest] = [0, 0];
const database = openForWriting(path, patience);
const { ino: inode } = statSync(path);
migrate(database);
/** How far the kept time may fall behind. */
const KEEP_EVERY_MS = 60_000;

const applier = new UnitApplier(
  database,
  () => now,
  () => latest,
);
const keptTime = new KeptTime(database);
const sweeper = new Sweeper(database);
let head: LaneHead = emptyLane(lane);

port.on('message', (request: WriterRequest) => port.postMessage(answer(request)));
port.postMessage({ kind: 'ready' } satisfies WriterResponse);

function answer(request: WriterRequest): WriterResponse {
  try {
    switch (request.kind) {
      case 'commit':
        ({ now, latest } = request);
        return { kind: 'committed', conflicts: commitUnits(unflatten(request.batch), request) };
      case 'note-uses':
        return { kind: 'done', rows: inTransaction(() => noteUses(request.uses)) };
      case 'add-attempts':
        return { kind: 'counted', totals: inTransaction(() => addAttempts(request.additions)) };
      case 'sweep':
        return { kind: 'done', rows: inTransaction(() => sweep(request)) };
      case 'last-committed':
        return { kind: 'last-committed', at: keptTime.read() };
      case 'remove-cut-rows':
        return {
          kind: 'done',
          rows: inTransaction(() => removeCutRows(database, request.lane, request.limit)),
        };
      case 'close':
        foldLog();
        database.close();
        return { kind: 'done', rows: 0 };
    }
  } catch (error) {
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Commits a batch. A savepoint for each unit costs as much as a row, and hardly any unit meets a conflict beyond its first
 * change: so the batch is tried without them, and again with them when one was missed.
 */
function commitUnits(units: readonly UnitToWrite[], time: CommitTime): ReadonlyMap<number, Uncommitted> {
  try {
    return inTransaction(() => applyUnits(units, time, false));
  } catch (error) {
    if (!(error instanceof SavepointNeeded)) throw error;
    return inTransaction(() => applyUnits(units, time, true));
  }
}

function applyUnits(
  units: readonly UnitToWrite[],
  time: CommitTime,
  areMarked: boolean,
): ReadonlyMap<number, Uncommitted> {
  const conflicts = new Map<number, Uncommitted>();
  for (const [index, unit] of units.entries()) {
    const applied = applier.apply(unit, head, areMarked);
    head = applied.head;
    if (!applied.outcome.committed) conflicts.set(index, applied.outcome);
  }
  const committed = units.filter((_unit, index) => !conflicts.has(index));
  if (committed.length > 0) keptTime.note(time.now, Math.max(time.era, ...committed.map(eraBegunBy)));
  return conflicts;
}

/**
 * What is swept at a time is forgotten: for a process whose clock is behind that, it was never there. Where nothing is swept nor
 * committed, the time is kept once a minute, since ends are judged by it all the same.
 */
function sweep({ now: sweptAt, era }: CommitTime): number {
  const rows = sweeper.sweep(sweptAt);
  if (rows > 0 || sweptAt - (keptTime.read() ?? 0) >= KEEP_EVERY_MS) keptTime.note(sweptAt, era);
  return rows;
}

/**
 * Folds the log into the file, so that the file alone has everything. The last one to close it would do so anyway; here it is done though
 * others still have it open, and waits for none of them. Where it cannot be done nothing is lost: the log stays.
 */
function foldLog(): void {
  try {
    database.exec('PRAGMA wal_checkpoint(PASSIVE)');
  } catch {}
}

function addAttempts(additions: readonly AttemptAddition[]): readonly number[] {
  const statement = database.prepare(
    `INSERT INTO attempt(digest, count, expires_at) VALUES (?, ?, ?)
     ON CONFLICT(digest) DO UPDATE SET count = count + excluded.count RETURNING count`,
  );
  return additions.map(({ key, count, expiresAt }) =>
    Number(statement.get(attemptDigest(key), count, expiresAt)?.['count']),
  );
}

function noteUses(uses: ReadonlyMap<string, number>): number {
  const statement = database.prepare(
    `INSERT INTO agent_use(agent_id, used_at, idle_since) VALUES (?1, ?2, ?2)
     ON CONFLICT(agent_id) DO UPDATE SET used_at = ?2, idle_since = ?2`,
  );
  for (const [agentId, usedAt] of uses) statement.run(agentId, usedAt);
  return uses.size;
}

/** One transaction, one fsync. Whatever goes wrong, nothing of it remains and the lane stands where it stood. */
function inTransaction<T>(work: () => T): T {
  assertInPlace();
  const headBefore = head;
  // Immediate: a transaction that begins by reading cannot be upgraded once another process has written.
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    head = headBefore;
    applier.forgetEpochs();
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** What is written to a file that has no name any more is gone with this process, though it was acknowledged (I10). */
function assertInPlace(): void {
  if (statSync(path, { throwIfNoEntry: false })?.ino !== inode)
    throw new Error(`${path} was removed, or another file is in its place`);
}
