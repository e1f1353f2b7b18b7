/** A trail as processes write it, and the tools of somebody who has the store's file in their hands. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ExecutionContext } from 'ava';
import { type AuditEvent, type AuditRow, chainHash, storeTrail } from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Store } from '../../src/store/store.ts';

export const NOW = 1_800_000_000_000;

export interface RealTrail {
  readonly directory: string;
  /** The store's file. */
  readonly file: string;
  /** A process that has its lane open; the last of several. */
  readonly store: Store;
  /** Every row as it was written, lane by lane. */
  readonly rows: readonly AuditRow[];
}

/** Refusals with whatever a caller may have claimed, issued tokens, changes: all members that an event can have. */
export function someEvent(index: number): AuditEvent {
  const about = { at: NOW + index, requestId: `req_${index}`, address: '192.0.2.1' };
  if (index % 3 === 0) {
    return {
      type: 'client.authentication-refused',
      outcome: 'refused',
      reason: 'unknown-client',
      ...about,
      client: `claimed "${index}" \\ \u{1F512} é`,
      count: index + 1,
    };
  }
  if (index % 3 === 1) {
    return {
      type: 'agent.updated',
      outcome: 'done',
      ...about,
      target: 'agt_1',
      detail: { fields: ['name'] },
    };
  }
  return {
    type: 'token.issued',
    outcome: 'done',
    ...about,
    client: 'agt_1',
    subject: 'agt_1',
    actor: ['agt_1'],
    resource: 'https://mcp.example/mcp',
    scope: 'read write',
    jti: `tok_${index}`,
    detail: { expiresAt: 1_800_000_300, isFirst: index === 2, before: null },
  };
}

/**
 * Writes a trail through the store: three processes on one file, two at a time and taking turns, one after the first has ended.
 *
 * @param perLane rows in each lane, `lane.opened` included
 */
export async function writeRealTrail(t: ExecutionContext, perLane = 12): Promise<RealTrail> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-trail-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'countersign.sqlite');
  const open = () => openSqliteStore(file, { now: () => NOW, lane: newId('lane', NOW) });
  const [first, second] = [await open(), await open()];
  for (let index = 0; index < perLane - 1; index += 1) {
    for (const store of [first, second]) await store.commit({ changes: [], events: [someEvent(index)] });
  }
  await first.close();
  const third = await open();
  const together = Array.from({ length: perLane - 1 }, (_, index) => someEvent(index));
  await third.commit({ changes: [], events: together });
  await second.close();
  t.teardown(() => third.close());
  return { directory, file, store: third, rows: await readAll(third) };
}

export async function readAll(store: Store): Promise<readonly AuditRow[]> {
  const rows: AuditRow[] = [];
  for await (const page of storeTrail(store).rows()) rows.push(...(page as readonly AuditRow[]));
  return rows.map(({ lane, seq, body, hash }) => ({ lane, seq, body, hash }));
}

/** Puts other rows in place of those in the store, as nobody may who has only the program. */
export function replaceRows(file: string, rows: readonly AuditRow[]): void {
  const database = new DatabaseSync(file);
  try {
    // No need to be durable: only this test reads it.
    database.exec('PRAGMA synchronous = OFF; BEGIN IMMEDIATE');
    database.exec('DROP TRIGGER IF EXISTS audit_is_append_only_update');
    database.exec('DROP TRIGGER IF EXISTS audit_is_append_only_delete');
    database.exec('DELETE FROM audit');
    const insert = database.prepare('INSERT INTO audit(lane, seq, body, hash) VALUES (?, ?, ?, ?)');
    for (const { lane, seq, body, hash } of rows) insert.run(lane, seq, body, hash);
    database.exec('COMMIT');
  } finally {
    database.close();
  }
}

/** Computes the hashes of one lane's rows again, from one of them on. */
export function rechain(rows: readonly AuditRow[], from = 0): AuditRow[] {
  let previous = from === 0 ? '0'.repeat(64) : (rows[from - 1]?.hash ?? '');
  return rows.map((row, index) => {
    if (index < from) return row;
    previous = chainHash(previous, row.body);
    return { ...row, hash: previous };
  });
}

export function byLane(rows: readonly AuditRow[]): ReadonlyMap<string, readonly AuditRow[]> {
  return Map.groupBy(rows, row => row.lane);
}

/** The run's seed, so that a failure can be had again. */
export const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);
