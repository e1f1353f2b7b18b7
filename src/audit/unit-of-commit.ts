import type { Handle } from '../liveness.ts';
import type { ManagedRecord } from '../managed-record.ts';
import type { Authority } from '../origin.ts';
import type { AuditEvent } from './audit-event.ts';

/**
 * A change and its evidence, as plain data (I10). The store applies all changes of a unit and appends all its events in one
 * transaction, or does nothing at all. Data, not closures: it crosses to the thread that owns the writing connection, and a
 * batch may have to be applied again.
 *
 * Whatever makes or changes something that lasts says on whose authority, and the store checks that in the transaction.
 */
export type Unit<Change> = UnauthorisedUnit<Change> | AuthorisedUnit<Change>;

interface AuthorisedUnit<Change> {
  readonly changes: readonly Change[];
  readonly events: readonly AuditEvent[];
  readonly authority: Authority;
}

/** Nothing but what is dead by its own epoch, what only takes away, and evidence. */
interface UnauthorisedUnit<Change> {
  readonly changes: readonly Extract<Change, { readonly kind: UnauthorisedKind }>[];
  readonly events: readonly AuditEvent[];
  readonly authority?: undefined;
}

/**
 * The kinds of changes that need no authority in the commit: a token that was decided before a cutoff is dead by its epoch, a
 * used value and an ended pass only take away, and what a host command or the retention does is no record and not the engine's.
 */
type UnauthorisedKind =
  | 'insert-token'
  | 'use-once'
  | 'cut-off'
  | 'take-pass'
  | 'end-passes'
  | 'engine-destroy'
  | 'engine-revoke-grant'
  | 'decide'
  | 'void-pending'
  | 'adopt-audit'
  | 'move-cuts';

/**
 * Why a unit was not committed. Nothing of it was applied and none of its events were written.
 *
 * - `already-used`: a single-use value had been used before (I1)
 * - `already-exists`: a record with this identifier, or this unique value, exists
 * - `version-changed`: the record has been changed since it was read, or is gone
 * - `authority-ended`: what the unit was authorised by has ended meanwhile; to try it again is of no use
 */
export type Conflict = 'already-used' | 'already-exists' | 'version-changed' | 'authority-ended';

export type CommitOutcome = { readonly committed: true } | Uncommitted;

export type Uncommitted =
  | { readonly committed: false; readonly conflict: Exclude<Conflict, 'authority-ended'> }
  | {
      readonly committed: false;
      readonly conflict: 'authority-ended';
      /** The handle that was cut off; of an authority that has run out, or whose pass is gone, its first own one. */
      readonly ended: Handle;
    };

/**
 * The way into the store for changes: the same for both stores and for every capability.
 *
 * Promises: a resolved `committed: true` is durable and audited, and this process already knows every cutoff in it. Units of
 * one process commit in the order in which they were handed over. A rejected promise means that it is unknown whether the unit
 * was committed; callers answer 503 and never success.
 */
export interface CommitPort<Change> {
  /** @throws {StoreUnavailable} when the store cannot answer */
  commit(unit: Unit<Change>): Promise<CommitOutcome>;
}

/** Adds a record. Conflict: `already-exists`. Every process is told of it in commit order. */
export interface InsertRecord<Collection extends string, R extends ManagedRecord> {
  readonly kind: 'insert';
  readonly collection: Collection;
  readonly record: R;
}

/**
 * Replaces a record, if it is still at `ifVersion`. Conflict: `version-changed`. Every process is told of it, and of the
 * record's epoch, in commit order.
 */
export interface ReplaceRecord<Collection extends string, R extends ManagedRecord> {
  readonly kind: 'replace';
  readonly collection: Collection;
  readonly record: R;
  readonly ifVersion: number;
}

/**
 * Changes nothing: the unit is committed only if a record that it was made of is still at the version that was read. Conflict:
 * `version-changed`.
 */
export interface ExpectVersion {
  readonly kind: 'expect-version';
  readonly collection: 'agent' | 'delegation' | 'person' | 'resource';
  readonly id: string;
  readonly version: number;
}

export type RecordChange<Collection extends string, R extends ManagedRecord> =
  | InsertRecord<Collection, R>
  | ReplaceRecord<Collection, R>;
