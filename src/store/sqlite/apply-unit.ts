import { hash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { Agent } from '../../agents/index.ts';
import { findEndedHandle } from '../../audit/authority.ts';
import { chainEvent } from '../../audit/chain.ts';
import { facetsOfEvent } from '../../audit/event-facets.ts';
import type { CommitOutcome, Conflict, LaneHead, MoveCuts } from '../../audit/index.ts';
import { refusedRequestOf } from '../../audit/refused-request.ts';
import type { Delegation } from '../../delegation/delegation.ts';
import { activeKeyOf } from '../../delegation/delegation-facets.ts';
import type { Elevation } from '../../elevation/elevation.ts';
import { pendingKeyOf } from '../../elevation/elevation-facets.ts';
import type { SigningKey } from '../../keys/index.ts';
import type { Handle } from '../../liveness.ts';
import type { HeldAuthority } from '../../origin.ts';
import type { Person, PersonCredential } from '../../people/index.ts';
import type { AdoptedRow, Deployment } from '../../recovery/deployment.ts';
import type { Resource } from '../../resources/index.ts';
import { identifierKey } from '../../resources/resource.ts';
import type { TokenRecord } from '../../tokens/index.ts';
import { announcedUntil } from '../announced-until.ts';
import { EpochRegistry } from '../epoch-registry.ts';
import { isFiled } from '../record-facets.ts';
import type { Change } from '../store.ts';
import { applyEngineChange } from './engine-records.ts';
import { Feed } from './feed.ts';
import { RecordFiler } from './file-record.ts';
import { applyPassChange } from './passes.ts';
import { AT_PLACE, placeToken, tokenKey } from './token-place.ts';

/** A unit of commit as it reaches the writing thread: text crosses a thread's border far cheaper than objects do. */
export interface UnitToWrite {
  readonly changes: readonly Change[];
  /** Canonical JSON, see `canonicalEvent`. */
  readonly events: readonly string[];
  /** Absent where nobody's is needed. */
  readonly authority?: HeldAuthority;
}

/** A later change of a unit has met a conflict, and nothing marks where the unit began. */
export class SavepointNeeded extends Error {}

/** What a unit met that was not applied. */
type Met = Exclude<Conflict, 'authority-ended'>;

/**
 * Applies units of commit on the connection that owns the transaction.
 *
 * Authority is checked by the epochs as of that transaction: the lock on the file is held, so that nobody else raises any before
 * it ends, and what units before this one in the batch have raised is in the feed as well.
 */
export class UnitApplier {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #now: () => number;
  readonly #latest: () => number;
  readonly #filer = new RecordFiler((sql, ...values) => this.#run(sql, ...values));
  #epochs = new EpochRegistry();
  #feed: Feed;

  /**
   * @param now what is written goes by it
   * @param latest ends are judged by it
   */
  constructor(database: DatabaseSync, now: () => number, latest: () => number) {
    this.#database = database;
    this.#now = now;
    this.#latest = latest;
    this.#feed = this.#newFeed();
  }

  /** The transaction was rolled back: what was heard in it has not happened. */
  forgetEpochs(): void {
    this.#epochs = new EpochRegistry();
    this.#feed = this.#newFeed();
  }

  /**
   * Applies one unit within the open transaction: all of it, or nothing.
   *
   * @param isMarked whether to mark where a unit of several changes begins, so that it can be undone alone
   * @throws {SavepointNeeded} when it would have to be undone and is not marked: the transaction is spoilt
   * @returns the outcome, and where the lane stands after the unit's events
   */
  apply(
    unit: UnitToWrite,
    head: LaneHead,
    isMarked: boolean,
  ): { readonly outcome: CommitOutcome; readonly head: LaneHead } {
    const ended = unit.authority && this.#findEnded(unit.authority);
    if (ended !== undefined) {
      return { outcome: { committed: false, conflict: 'authority-ended', ended }, head };
    }
    const marked = isMarked && unit.changes.length > 1;
    if (marked) this.#run('SAVEPOINT unit');
    for (const [index, change] of unit.changes.entries()) {
      const conflict = this.#applyChange(change);
      if (conflict) {
        // A conflict in the first change has changed nothing yet.
        if (index > 0 && !marked) throw new SavepointNeeded();
        if (marked) {
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
        'INSERT INTO audit(lane, seq, body, hash, refused_request) VALUES (?, ?, ?, ?, ?)',
        row.lane,
        row.seq,
        row.body,
        row.hash,
        refusedRequestOf(event) ?? null,
      );
      this.#fileRow(row, facetsOfEvent(event));
      latest = row;
    }
    if (marked) this.#run('RELEASE unit');
    return { outcome: { committed: true }, head: { lane: latest.lane, seq: latest.seq, hash: latest.hash } };
  }

  #newFeed(): Feed {
    const ignore = (): void => undefined;
    return new Feed(this.#database, this.#epochs, ignore, ignore);
  }

  #findEnded(authority: HeldAuthority): Handle | undefined {
    this.#feed.hear(this.#now());
    const ended = findEndedHandle(authority, this.#epochs, this.#latest());
    if (ended !== undefined || !authority.pass) return ended;
    const { kind, key, handle } = authority.pass;
    return this.#get('SELECT 1 FROM pass WHERE kind = ? AND key = ?', kind, key) ? undefined : handle;
  }

  #applyChange(change: Change): Met | undefined {
    switch (change.kind) {
      case 'use-once': {
        const digest = hash('sha256', change.value, 'buffer');
        const added = this.#run(
          'INSERT INTO used_once(digest, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
          digest,
          sweptFrom(change.expiresAt, this.#now()),
        );
        return added === 0 ? 'already-used' : undefined;
      }
      case 'insert-token':
        return this.#insertToken(change.token);
      case 'cut-off':
        this.#announce(change.id, change.epoch, change.forgetAt);
        return undefined;
      case 'insert':
        if (this.#insertRecord(change) === 0) return 'already-exists';
        if (isFiled(change.collection)) this.#filer.file(change.collection, change.record);
        return this.#announceRecord(change);
      case 'replace':
        if (this.#replaceRecord(change) === 0) return 'version-changed';
        if (isFiled(change.collection)) this.#filer.refile(change.collection, change.record);
        return this.#announceRecord(change);
      case 'expect-version':
        return this.#get(
          `SELECT 1 FROM ${change.collection} WHERE id = ? AND version = ?`,
          change.id,
          change.version,
        )
          ? undefined
          : 'version-changed';
      case 'keep-answer': {
        const { id, requestDigest, expiresAt, answer } = change.kept;
        const kept = this.#run(
          `INSERT INTO kept_answer(id, request_digest, expires_at, answer) VALUES (?, ?, ?, ?)
           ON CONFLICT(id) DO UPDATE SET request_digest = excluded.request_digest, expires_at = excluded.expires_at,
             answer = excluded.answer WHERE expires_at <= ?`,
          id,
          requestDigest,
          expiresAt,
          answer,
          change.now,
        );
        return kept === 0 ? 'already-used' : undefined;
      }
      case 'decide': {
        const added = this.#run(
          'INSERT INTO decision(epoch, id, decision) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
          change.epoch,
          change.id,
          change.decision,
        );
        return added === 0 ? 'already-exists' : undefined;
      }
      case 'void-pending':
        this.#run('DELETE FROM engine_record');
        this.#run('DELETE FROM pass');
        return undefined;
      case 'move-cuts':
        return this.#moveCuts(change);
      case 'adopt-audit':
        for (const row of change.rows) this.#adoptRow(row);
        return undefined;
      case 'engine-put':
      case 'engine-consume':
      case 'engine-destroy':
      case 'engine-revoke-grant':
        return applyEngineChange((sql, ...values) => this.#run(sql, ...values), change);
      case 'issue-pass':
      case 'renew-pass':
      case 'take-pass':
      case 'end-passes':
        return applyPassChange((sql, ...values) => this.#run(sql, ...values), change);
    }
  }

  #insertToken(token: TokenRecord): Met | undefined {
    const key = tokenKey(token.jti);
    const isAdded = placeToken(
      key,
      place =>
        this.#run(
          `INSERT INTO access_token(id, key, client_id, resource_id, issued_at, expires_at, lineage, answer)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
          place,
          key,
          token.clientId,
          token.resourceId,
          token.issuedAt,
          token.expiresAt,
          token.lineage,
          token.answer,
        ) > 0,
      place => this.#get(`SELECT 1 FROM access_token WHERE ${AT_PLACE}`, place, key) !== undefined,
    );
    return isAdded ? undefined : 'already-exists';
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

  #moveCuts({ version, cuts }: MoveCuts): Met | undefined {
    const moves = [{ lane: '', seq: version, hash: '' }, ...cuts];
    const isAsFar = this.#database.prepare('SELECT 1 FROM audit_cut WHERE lane = ? AND seq >= ?');
    if (moves.some(({ lane, seq }) => isAsFar.get(lane, seq))) return 'version-changed';
    for (const { lane, seq, hash } of moves) {
      this.#run(
        `INSERT INTO audit_cut(lane, seq, hash) VALUES (?, ?, ?)
         ON CONFLICT(lane) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`,
        lane,
        seq,
        hash,
      );
    }
    return undefined;
  }

  #adoptRow({ lane, seq, body, hash }: AdoptedRow): void {
    const sql =
      'INSERT INTO audit(lane, seq, body, hash, refused_request) VALUES (?, ?, ?, ?, ?) ON CONFLICT(lane, seq) DO NOTHING';
    const added = this.#run(sql, lane, seq, body, hash, refusedRequestOf(body) ?? null);
    if (added > 0) this.#fileRow({ lane, seq }, facetsOfEvent(body));
  }

  #fileRow({ lane, seq }: { readonly lane: string; readonly seq: number }, facets: readonly string[]): void {
    for (const facet of facets) {
      const sql = `INSERT INTO audit_facet(facet, position)
        SELECT ?, position FROM audit WHERE lane = ? AND seq = ?`;
      this.#run(sql, facet, lane, seq);
    }
  }

  #announceRecord({ record, collection }: Extract<Change, { kind: 'insert' | 'replace' }>): undefined {
    this.#announce(record.id, record.epoch, announcedUntil(collection, this.#now()));
  }

  #announce(id: string, epoch: number, forgetAt: number): void {
    this.#run('INSERT INTO feed(id, epoch, forget_at) VALUES (?, ?, ?)', id, epoch, forgetAt);
  }

  /** @returns how many rows were changed */
  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #get(sql: string, ...values: SQLInputValue[]): unknown {
    return this.#prepare(sql).get(...values);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

const MINUTE_MS = 60_000;

/**
 * When a used value has expired, to the minute after: so many whole minutes from now. What is used at one time then stands side by side in
 * the index that it is swept by, and a commit writes one page of it instead of one for each value. Milliseconds since the epoch.
 */
function sweptFrom(expiresAt: number, now: number): number {
  const later = now + Math.ceil(Math.max(0, expiresAt - now) / MINUTE_MS) * MINUTE_MS;
  return Math.min(later, Number.MAX_SAFE_INTEGER);
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
    case 'person-credential':
      change.record satisfies PersonCredential;
      return { table: 'person_credential', columns: {} };
    case 'resource':
      return {
        table: 'resource',
        columns: { identifier_key: identifierKey((change.record satisfies Resource).identifier) },
      };
    case 'delegation':
      return {
        table: 'delegation',
        columns: { active_key: activeKeyOf(change.record satisfies Delegation) ?? null },
      };
    case 'elevation':
      return {
        table: 'elevation',
        columns: { pending_key: pendingKeyOf(change.record satisfies Elevation) ?? null },
      };
    case 'deployment':
      change.record satisfies Deployment;
      return { table: 'deployment', columns: {} };
    case 'signing-key':
      change.record satisfies SigningKey;
      return { table: 'signing_key', columns: {} };
  }
}
