import type { AuditEvent } from './audit-event.ts';

/**
 * A change and its evidence, as plain data (I10). The store applies all changes of a unit and appends all its events in one
 * transaction, or does nothing at all. Data, not closures: it crosses to the thread that owns the writing connection, and a
 * batch may have to be applied again.
 */
export interface Unit<Change> {
  readonly changes: readonly Change[];
  readonly events: readonly AuditEvent[];
}

/**
 * Why a unit was not committed. Nothing of it was applied and none of its events were written.
 *
 * - `already-used`: a single-use value had been used before (I1)
 * - `already-exists`: a record with this identifier, or this unique value, exists
 * - `version-changed`: the record has been changed since it was read, or is gone
 */
export type Conflict = 'already-used' | 'already-exists' | 'version-changed';

export type CommitOutcome =
  | { readonly committed: true }
  | { readonly committed: false; readonly conflict: Conflict };

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

/** What every managed record has in common. */
export interface ManagedRecord {
  readonly id: string;
  /** Counts changes, from 1: a replacement names the version it was read at. */
  readonly version: number;
  /** Raised by every cutoff: tokens issued under an older epoch are dead (see `liveness.ts`). */
  readonly epoch: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
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

export type RecordChange<Collection extends string, R extends ManagedRecord> =
  | InsertRecord<Collection, R>
  | ReplaceRecord<Collection, R>;
