/**
 * The thread that owns the writing connection, so that an fsync, a checkpoint or another process's lock never holds up an
 * introspection. It takes batches of units, commits each batch at once, and answers after the commit.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type CommitOutcome, emptyLane, type LaneHead, type Unit } from '../../audit/index.ts';
import type { Change } from '../store.ts';
import { UnitApplier } from './apply-unit.ts';
import { openForWriting } from './database.ts';
import { migrate } from './migrations.ts';
import { Sweeper } from './sweep.ts';

export interface WriterData {
  readonly path: string;
  readonly lane: string;
}

export type WriterRequest =
  | { readonly kind: 'commit'; readonly units: readonly Unit<Change>[]; readonly now: number }
  | { readonly kind: 'note-uses'; readonly uses: ReadonlyMap<string, number> }
  | { readonly kind: 'sweep'; readonly now: number }
  | { readonly kind: 'close' };

export type WriterResponse =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed'; readonly outcomes: readonly CommitOutcome[] }
  | { readonly kind: 'done'; readonly rows: number }
  | { readonly kind: 'failed'; readonly message: string };

if (!parentPort) throw new Error('this module runs as a worker thread');
const port = parentPort;
const { path, lane } = workerData as WriterData;

let now = 0;
const database = openForWriting(path);
migrate(database);
const applier = new UnitApplier(database, () => now);
const sweeper = new Sweeper(database);
let head: LaneHead = emptyLane(lane);

port.on('message', (request: WriterRequest) => port.postMessage(answer(request)));
port.postMessage({ kind: 'ready' } satisfies WriterResponse);

function answer(request: WriterRequest): WriterResponse {
  try {
    switch (request.kind) {
      case 'commit':
        now = request.now;
        return { kind: 'committed', outcomes: inTransaction(() => commitUnits(request.units)) };
      case 'note-uses':
        return { kind: 'done', rows: inTransaction(() => noteUses(request.uses)) };
      case 'sweep':
        return { kind: 'done', rows: inTransaction(() => sweeper.sweep(request.now)) };
      case 'close':
        database.close();
        return { kind: 'done', rows: 0 };
    }
  } catch (error) {
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

function commitUnits(units: readonly Unit<Change>[]): readonly CommitOutcome[] {
  return units.map(unit => {
    const applied = applier.apply(unit, head);
    head = applied.head;
    return applied.outcome;
  });
}

function noteUses(uses: ReadonlyMap<string, number>): number {
  const statement = database.prepare(
    'INSERT INTO agent_use(agent_id, used_at) VALUES (?, ?) ON CONFLICT(agent_id) DO UPDATE SET used_at = excluded.used_at',
  );
  for (const [agentId, usedAt] of uses) statement.run(agentId, usedAt);
  return uses.size;
}

/** One transaction, one fsync. Whatever goes wrong, nothing of it remains and the lane stands where it stood. */
function inTransaction<T>(work: () => T): T {
  const headBefore = head;
  // Immediate: a transaction that begins by reading cannot be upgraded once another process has written.
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    head = headBefore;
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
