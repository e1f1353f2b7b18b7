import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Conflict } from '../../audit/index.ts';
import type { EngineChange, StoredEngineRecord } from '../../provider/engine-store.ts';
import type { TurnReader } from './reader.ts';

const COLUMNS = 'model, key, grant_id, uid, expires_at, consumed_at, payload';

/** Reads the engine's records. They are never kept in memory: another process may have used one up. */
export class EngineRecords {
  readonly #reader: TurnReader;
  readonly #byKey: StatementSync;
  readonly #byUid: StatementSync;

  constructor(database: DatabaseSync, reader: TurnReader) {
    this.#reader = reader;
    this.#byKey = database.prepare(`SELECT ${COLUMNS} FROM engine_record WHERE model = ? AND key = ?`);
    this.#byUid = database.prepare(`SELECT ${COLUMNS} FROM engine_record WHERE model = ? AND uid = ?`);
  }

  find(model: string, key: string): Promise<StoredEngineRecord | undefined> {
    return this.#reader.read(() => toRecord(this.#byKey.get(model, key)));
  }

  findByUid(model: string, uid: string): Promise<StoredEngineRecord | undefined> {
    return this.#reader.read(() => toRecord(this.#byUid.get(model, uid)));
  }
}

/**
 * Applies a change to the engine's records within the open transaction.
 *
 * @param run runs a statement and tells how many rows it changed
 */
export function applyEngineChange(
  run: (sql: string, ...values: (string | number | null)[]) => number,
  change: EngineChange,
): Exclude<Conflict, 'authority-ended'> | undefined {
  switch (change.kind) {
    case 'engine-put': {
      const { model, key, grantId, uid, expiresAt, payload } = change.record;
      run(
        `INSERT INTO engine_record(model, key, grant_id, uid, expires_at, payload) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT(model, key) DO UPDATE SET grant_id = excluded.grant_id, uid = excluded.uid,
         expires_at = excluded.expires_at, payload = excluded.payload`,
        model,
        key,
        grantId ?? null,
        uid ?? null,
        expiresAt,
        payload,
      );
      return undefined;
    }
    case 'engine-consume': {
      const consumed = run(
        'UPDATE engine_record SET consumed_at = ? WHERE model = ? AND key = ? AND consumed_at IS NULL AND expires_at > ?',
        change.now,
        change.model,
        change.key,
        change.now,
      );
      return consumed === 0 ? 'already-used' : undefined;
    }
    case 'engine-destroy':
      run('DELETE FROM engine_record WHERE model = ? AND key = ?', change.model, change.key);
      return undefined;
    case 'engine-revoke-grant':
      run('DELETE FROM engine_record WHERE model = ? AND grant_id = ?', change.model, change.grantId);
      return undefined;
  }
}

function toRecord(row: Record<string, unknown> | undefined): StoredEngineRecord | undefined {
  return (
    row && {
      model: row['model'] as string,
      key: row['key'] as string,
      payload: row['payload'] as string,
      expiresAt: row['expires_at'] as number,
      ...(row['grant_id'] !== null && { grantId: row['grant_id'] as string }),
      ...(row['uid'] !== null && { uid: row['uid'] as string }),
      ...(row['consumed_at'] !== null && { consumedAt: row['consumed_at'] as number }),
    }
  );
}
