import type { AuditEvent, AuditEventType, Conflict } from '../audit/index.ts';
import { BATCH_BOUNDS, DURATION_BOUNDS_MS, Histogram } from '../observability/index.ts';

/** What a store tells of its own work since it was opened: numbers, to be read at any time. */
export interface StoreFigures {
  readonly commits: CommitFigures;
  readonly reads: ReadFigures;
  /** Raised epochs in memory. */
  epochsHeld(): number;
  /** Milliseconds since it was last certain that every cutoff of any process is known here. */
  feedAgeMs(): number;
}

export class CommitFigures {
  /** Units in each batch. */
  readonly batchUnits = new Histogram(BATCH_BOUNDS);
  /** Milliseconds from the begin of a batch to its being durable. */
  readonly durations = new Histogram(DURATION_BOUNDS_MS);
  /** Batches of which it is unknown whether they were committed. */
  failedBatches = 0;
  /** The last thing that was to be written was not, as far as is known: nothing has been committed since. */
  hasFailed = false;
  readonly conflicts = new Map<Conflict, number>();
  /** Rows of the trail that are durable, by type. Refusals that were counted together count as many times. */
  readonly events = new Map<AuditEventType, number>();
  /** Units that wait for the batch under way to end. */
  waiting = 0;
  /** On the monotonic clock of `performance.now()`; undefined when nothing is being committed. */
  underWaySince: number | undefined;

  countEvents(events: readonly AuditEvent[]): void {
    for (const { type, count = 1 } of events) this.events.set(type, (this.events.get(type) ?? 0) + count);
  }

  countConflict(conflict: Conflict): void {
    this.conflicts.set(conflict, (this.conflicts.get(conflict) ?? 0) + 1);
  }

  /** How long the oldest unit has waited, in milliseconds: 0 when none does. */
  oldestWaitMs(): number {
    return this.underWaySince === undefined ? 0 : performance.now() - this.underWaySince;
  }
}

export class ReadFigures {
  lookups = 0;
  failed = 0;
  /** Milliseconds: of a turn's transaction with SQLite, of one lookup with MongoDB. */
  readonly durations = new Histogram(DURATION_BOUNDS_MS);
}
