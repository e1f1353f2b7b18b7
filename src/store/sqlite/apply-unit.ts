import { hash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Agent } from '../../agents/index.ts';
import {
  type CommitOutcome,
  type Conflict,
  chainEvent,
  type LaneHead,
  type Unit,
} from '../../audit/index.ts';
import type { SigningKey } from '../../keys/index.ts';
import type { Person } from '../../people/index.ts';
import { type Resource, withoutTrailingSlash } from '../../resources/index.ts';
import type { TokenRecord } from '../../tokens/index.ts';
import type { Change } from '../store.ts';
import { applyEngineChange } from './engine-records.ts';

/** How long a changed record is announced: far longer than any token that carries its old epoch can live. */
export const RECORD_ANNOUNCED_MS = 24 * 3_600_000;

/** Applies units of commit on the connection that owns the transaction. */
export class UnitApplier {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #now: () => number;

  constructor(database: DatabaseSync, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  /**
   * Applies one unit within the open transaction: all of it, or nothing.
   *
   * @returns the outcome, and where the lane stands after the unit's events
   */
  apply(unit: Unit<Change>, head: LaneHead): { readonly outcome: CommitOutcome; readonly head: LaneHead } {
    // A conflict in the first statement has changed nothing yet; only where a later one can fail is there anything to undo.
    const guarded = unit.changes.length > 1;
    if (guarded) this.#run('SAVEPOINT unit');
    for (const change of unit.changes) {
      const conflict = this.#applyChange(change);
      if (conflict) {
        if (guarded) {
          this.#run('ROLLBACK TO unit');
          this.#run('RELEASE unit');
        }
        return { outcome: { committed: false, conflict }, head };
      }
    }
    let latest = head;
    for (const event of unit.events) {
      const row = chainEvent(latest, event);
      this.#run(
        'INSERT INTO audit(lane, seq, body, hash) VALUES (?, ?, ?, ?)',
        row.lane,
        row.seq,
        row.body,
        row.hash,
      );
      latest = row;
    }
    if (guarded) this.#run('RELEASE unit');
    return { outcome: { committed: true }, head: { lane: latest.lane, seq: latest.seq, hash: latest.hash } };
  }

  #applyChange(change: Change): Conflict | undefined {
    switch (change.kind) {
      case 'use-once': {
        const digest = hash('sha256', change.value, 'buffer');
        const added = this.#run(
          'INSERT INTO used_once(digest, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
          digest,
          change.expiresAt,
        );
        return added === 0 ? 'already-used' : undefined;
      }
      case 'insert-token':
        return this.#insertToken(change.token);
      case 'cut-off':
        this.#announce(change.id, change.epoch, change.forgetAt);
        return undefined;
      case 'insert':
        return this.#insertRecord(change) === 0
          ? 'already-exists'
          : this.#announceRecord(change.record.id, change.record.epoch);
      case 'replace':
        return this.#replaceRecord(change) === 0
          ? 'version-changed'
          : this.#announceRecord(change.record.id, change.record.epoch);
      case 'engine-put':
      case 'engine-consume':
      case 'engine-destroy':
      case 'engine-revoke-grant':
        return applyEngineChange((sql, ...values) => this.#run(sql, ...values), change);
    }
  }

  #insertToken(token: TokenRecord): Conflict | undefined {
    const added = this.#run(
      `INSERT INTO token(key, client_id, resource_id, issued_at, expires_at, lineage, answer)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      tokenKey(token.jti),
      token.clientId,
      token.resourceId,
      token.issuedAt,
      token.expiresAt,
      token.lineage,
      token.answer,
    );
    return added === 0 ? 'already-exists' : undefined;
  }

  #insertRecord(change: Extract<Change, { kind: 'insert' }>): number {
    const { columns, table } = recordColumns(change);
    const names = ['id', 'version', 'payload', ...Object.keys(columns)];
    return this.#run(
      `INSERT INTO ${table}(${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')}) ON CONFLICT DO NOTHING`,
      change.record.id,
      change.record.version,
      JSON.stringify(change.record),
      ...Object.values(columns),
    );
  }

  #replaceRecord(change: Extract<Change, { kind: 'replace' }>): number {
    const { columns, table } = recordColumns(change);
    const assignments = ['version', 'payload', ...Object.keys(columns)].map(name => `${name} = ?`);
    return this.#run(
      `UPDATE OR IGNORE ${table} SET ${assignments.join(', ')} WHERE id = ? AND version = ?`,
      change.record.version,
      JSON.stringify(change.record),
      ...Object.values(columns),
      change.record.id,
      change.ifVersion,
    );
  }

  #announceRecord(id: string, epoch: number): undefined {
    this.#announce(id, epoch, this.#now() + RECORD_ANNOUNCED_MS);
  }

  #announce(id: string, epoch: number, forgetAt: number): void {
    this.#run('INSERT INTO feed(id, epoch, forget_at) VALUES (?, ?, ?)', id, epoch, forgetAt);
  }

  /** @returns how many rows were changed */
  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): number {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return Number(statement.run(...values).changes);
  }
}

/** The bytes under which a token is stored: its `jti` without the prefix. */
export function tokenKey(jti: string): Buffer {
  return Buffer.from(jti.slice('tok_'.length), 'base64url');
}

type RecordColumns = { readonly table: string; readonly columns: Readonly<Record<string, string | null>> };

/** The columns that are searched or must be unique; everything else of a record is in its payload. */
function recordColumns(change: Extract<Change, { kind: 'insert' | 'replace' }>): RecordColumns {
  switch (change.collection) {
    case 'agent':
      return { table: 'agent', columns: { owner_id: (change.record satisfies Agent).ownerId } };
    case 'person':
      return {
        table: 'person',
        columns: { email_key: (change.record satisfies Person).email?.toLowerCase() ?? null },
      };
    case 'resource':
      return {
        table: 'resource',
        columns: { identifier_key: withoutTrailingSlash((change.record satisfies Resource).identifier) },
      };
    case 'signing-key':
      change.record satisfies SigningKey;
      return { table: 'signing_key', columns: {} };
  }
}
