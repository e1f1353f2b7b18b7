import { Refused, StoreUnavailable } from '../errors.ts';
import type { IfMatch, ManagedRecord } from '../managed-record.ts';
import type { Authority } from '../origin.ts';
import type { AuditEvent } from './audit-event.ts';
import { assertAuthorityHeld } from './authority.ts';
import type { CommitPort, ReplaceRecord } from './unit-of-commit.ts';

/** Knows when this process has caught up with the others; see `TokenStore.fresh`. */
export interface Freshness {
  /** @throws {StoreUnavailable} when the store cannot tell */
  fresh(): Promise<void>;
}

/**
 * - `version-changed`: the record is no longer at the version that the caller had read
 * - `value-taken`: another record has a value that must be unique
 */
export type RevisionRefusal = 'version-changed' | 'value-taken';

/** What becomes of a record, with the evidence. Its version and time of change are counted on by `reviseRecord`. */
export interface Revision<R extends ManagedRecord> {
  readonly record: R;
  readonly events: readonly AuditEvent[];
}

/** Far more edits than can get in between by accident. */
const MAX_ATTEMPTS = 20;

/**
 * Reads a record, decides, and commits the change with its evidence; again from the start when another change came first, so
 * that a kill never loses to an edit made at the same time. Not where its authority has ended: that is never tried again.
 *
 * @param get    reads the record; throws when there is none
 * @param revise decides, and may run more than once; undefined when there is nothing to change, and then nothing is written
 * @param authority on whose the change is made
 * @param now    milliseconds since the epoch
 * @returns the record as it is now
 * @throws {Refused<'value-taken'>} when the change would repeat a unique value
 * @throws {Refused<'authority-ended'>}
 */
export async function reviseRecord<Collection extends string, R extends ManagedRecord>(
  store: CommitPort<ReplaceRecord<Collection, R>>,
  freshness: Freshness,
  collection: Collection,
  get: () => Promise<R>,
  revise: (current: R) => Revision<R> | undefined | Promise<Revision<R> | undefined>,
  authority: Authority,
  now: number,
): Promise<R> {
  let conflictAt: number | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await freshness.fresh();
    const current = await get();
    // Nobody has changed it, and still it could not be replaced: the other conflict a replacement can have.
    if (current.version === conflictAt) throw new Refused<RevisionRefusal>('value-taken');
    const revision = await revise(current);
    if (!revision) return current;
    const record: R = {
      ...revision.record,
      version: current.version + 1,
      updatedAt: Math.max(now, current.updatedAt),
    };
    const outcome = await store.commit({
      changes: [{ kind: 'replace', collection, record, ifVersion: current.version }],
      events: revision.events,
      authority,
    });
    assertAuthorityHeld(outcome);
    if (outcome.committed) return record;
    if (outcome.conflict === 'already-exists') throw new Refused<RevisionRefusal>('value-taken');
    conflictAt = current.version;
  }
  throw new StoreUnavailable(`a record was changed ${MAX_ATTEMPTS} times while it was being changed`);
}

/** Whether a condition holds for a record at this version; undefined for what has no version (RFC 9110 section 13.1.1). */
export function isMet(condition: IfMatch, version: number | undefined): boolean {
  if (condition === '*') return true;
  return version !== undefined && [condition].flat().includes(version);
}

/**
 * Refuses a change that was made to another version than the present one (RFC 9110 section 13.1.1, If-Match). Asked of the record
 * that the change replaces, so that nothing comes in between.
 *
 * @param condition undefined where the caller has made none
 * @throws {Refused<RevisionRefusal>} `version-changed`
 */
export function assertVersion(current: ManagedRecord, condition: IfMatch | undefined): void {
  if (condition === undefined || isMet(condition, current.version)) return;
  throw new Refused<RevisionRefusal>('version-changed', {
    parameter: 'If-Match',
    sent: [condition]
      .flat()
      .map(version => `"${version}"`)
      .join(', '),
    permitted: [`"${current.version}"`],
    hint: 'read it again, and make the change to what it is now',
  });
}
