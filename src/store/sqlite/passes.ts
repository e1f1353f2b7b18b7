import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Conflict } from '../../audit/index.ts';
import type { PassChange, PassKind, PassOf } from '../../people/index.ts';
import type { TurnReader } from './reader.ts';

/** Reads passes. They are never kept in memory: another process may have ended one. */
export class Passes {
  readonly #reader: TurnReader;
  readonly #byKey: StatementSync;
  readonly #ofPerson: StatementSync;

  constructor(database: DatabaseSync, reader: TurnReader) {
    this.#reader = reader;
    this.#byKey = database.prepare('SELECT payload FROM pass WHERE kind = ? AND key = ?');
    this.#ofPerson = database.prepare(
      'SELECT payload FROM pass WHERE person_id = ? AND kind = ? ORDER BY created_at DESC, key',
    );
  }

  find<K extends PassKind>(kind: K, key: string): Promise<PassOf<K> | undefined> {
    return this.#reader.read(() => {
      const row = this.#byKey.get(kind, key);
      return row && toPass<K>(row);
    });
  }

  list<K extends PassKind>(kind: K, personId: string): Promise<readonly PassOf<K>[]> {
    return this.#reader.read(() => this.#ofPerson.all(personId, kind).map(row => toPass<K>(row)));
  }
}

/**
 * Applies a change to passes within the open transaction.
 *
 * @param run runs a statement and tells how many rows it changed
 */
export function applyPassChange(
  run: (sql: string, ...values: (string | number | null)[]) => number,
  change: PassChange,
): Exclude<Conflict, 'authority-ended'> | undefined {
  switch (change.kind) {
    case 'issue-pass': {
      const { kind, key, personId, version, createdAt, expiresAt } = change.pass;
      const added = run(
        `INSERT INTO pass(kind, key, person_id, version, created_at, expires_at, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING`,
        kind,
        key,
        personId,
        version,
        createdAt,
        expiresAt,
        JSON.stringify(change.pass),
      );
      return added === 0 ? 'already-exists' : undefined;
    }
    case 'renew-pass': {
      const { kind, key, version, expiresAt } = change.pass;
      const renewed = run(
        'UPDATE pass SET version = ?, expires_at = ?, payload = ? WHERE kind = ? AND key = ? AND version = ?',
        version,
        expiresAt,
        JSON.stringify(change.pass),
        kind,
        key,
        change.ifVersion,
      );
      return renewed === 0 ? 'version-changed' : undefined;
    }
    case 'take-pass': {
      const taken = run(
        'DELETE FROM pass WHERE kind = ? AND key = ? AND expires_at > ?',
        change.passKind,
        change.key,
        change.now,
      );
      return taken === 0 ? 'already-used' : undefined;
    }
    case 'end-passes':
      run(
        'DELETE FROM pass WHERE person_id = ? AND kind = ? AND key <> ?',
        change.personId,
        change.passKind,
        change.except ?? '',
      );
      return undefined;
  }
}

function toPass<K extends PassKind>(row: Record<string, unknown>): PassOf<K> {
  return JSON.parse(row['payload'] as string) as PassOf<K>;
}
