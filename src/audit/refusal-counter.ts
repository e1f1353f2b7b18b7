import { type Clock, type Deadline, systemDeadline } from '../clock.ts';
import { untrustedText } from '../text/index.ts';
import type { AuditEvent } from './audit-event.ts';
import type { CommitPort } from './unit-of-commit.ts';

const MINUTE_MS = 60_000;

/** How long an answer waits for the row: a locked database is no reason to keep a stranger, and what keeps for them, busy. */
const PATIENCE_MS = 1_000;

/** A unit of commit stays short, so that what is written at the end of a minute holds up no request for long. */
const ROWS_PER_UNIT = 100;

export interface RefusalCounterOptions {
  readonly audit: CommitPort<never>;
  readonly now: Clock;
  /**
   * How many different refusals of one minute get rows of their own, at most two each. Those beyond are counted together: it
   * bounds what strangers can make us write, at 1,000 to about 0.8 MB a minute, and what we keep in memory.
   */
  readonly maxDistinct?: number;
  /** Ends the wait of a refused caller for its row; the system's where absent. */
  readonly deadline?: Deadline | undefined;
  /** Told when the store did not take a row. The refusal is kept and counted with later ones. */
  readonly onError?: (error: unknown) => void;
}

interface Counted {
  latest: AuditEvent;
  /** How many have come for which no row is written yet. */
  unwritten: number;
}

/**
 * Records refusals that anybody can cause, so that nobody can fill the disk with them. Alike ones, of the same type, client,
 * address and reason, are counted for a minute: the first is written at once, the rest as one row with a `count` when the minute
 * is over. The counts of all rows add up to what has happened.
 *
 * Limits: a crash loses the counts of the minute under way, though never a first row. When the store cannot tell whether it took a
 * row, the refusal is counted once more rather than lost. While the store is slow, a minute lasts until it has answered.
 */
export class RefusalCounter {
  readonly #audit: CommitPort<never>;
  readonly #now: Clock;
  readonly #maxDistinct: number;
  readonly #deadline: Deadline;
  readonly #onError: (error: unknown) => void;
  /** First rows that are being written. */
  readonly #underWay = new Set<Promise<void>>();
  #minute = 0;
  #counted = new Map<string, Counted>();
  #writing: Promise<void> | undefined;

  constructor(options: RefusalCounterOptions) {
    this.#audit = options.audit;
    this.#now = options.now;
    this.#maxDistinct = options.maxDistinct ?? 1_000;
    this.#deadline = options.deadline ?? systemDeadline;
    this.#onError = options.onError ?? (() => undefined);
  }

  /**
   * Takes a refusal. Its `client` is what a caller claims, and is cleaned here.
   *
   * @returns settled when the row is durable or, while the store is slow, after a second; at once when the refusal was only counted; never
   * rejected
   */
  async note(event: AuditEvent): Promise<void> {
    void this.sweep();
    const cleaned = event.client === undefined ? event : { ...event, client: untrustedText(event.client) };
    const { counted, isFirst } = this.#find(cleaned);
    if (!isFirst) {
      counted.unwritten += event.count ?? 1;
      return;
    }
    const written = this.#write([counted.latest]).finally(() => this.#underWay.delete(written));
    this.#underWay.add(written);
    await Promise.race([written, ended(this.#deadline(PATIENCE_MS))]);
  }

  /** Writes the counts of a minute that is over. To be called every few seconds. Never rejected. */
  async sweep(): Promise<void> {
    const minute = Math.floor(this.#now() / MINUTE_MS);
    if (minute === this.#minute || this.#writing) return;
    this.#minute = minute;
    await this.#writeCounts();
  }

  /** Writes all counts, for an orderly shutdown. Never rejected. */
  async flush(): Promise<void> {
    await Promise.all([this.#writing, ...this.#underWay]);
    await this.#writeCounts();
  }

  async #writeCounts(): Promise<void> {
    const rows: AuditEvent[] = [];
    for (const { latest, unwritten } of this.#counted.values()) {
      if (unwritten > 0) rows.push({ ...latest, count: unwritten });
    }
    this.#counted = new Map();
    if (rows.length === 0) return;
    // One at a time: counts that the store does not take in a minute must not pile up.
    this.#writing = this.#writeInUnits(rows);
    await this.#writing;
    this.#writing = undefined;
  }

  async #writeInUnits(rows: readonly AuditEvent[]): Promise<void> {
    for (let start = 0; start < rows.length; start += ROWS_PER_UNIT) {
      await this.#write(rows.slice(start, start + ROWS_PER_UNIT));
    }
  }

  async #write(rows: readonly AuditEvent[]): Promise<void> {
    try {
      const outcome = await this.#audit.commit({ changes: [], events: rows });
      if (outcome.committed) return;
      this.#onError(new Error(`refusals were not recorded: ${outcome.conflict}`));
    } catch (error) {
      this.#onError(error);
    }
    for (const row of rows) this.#find(row).counted.unwritten += row.count ?? 1;
  }

  #find(event: AuditEvent): { readonly counted: Counted; readonly isFirst: boolean } {
    const known = this.#counted.get(likeness(event));
    if (known) return { counted: keepLatest(known, event), isFirst: false };
    const kept = this.#counted.size < this.#maxDistinct ? event : anyOther(event);
    const other = this.#counted.get(likeness(kept));
    if (other) return { counted: keepLatest(other, kept), isFirst: false };
    const counted = { latest: kept, unwritten: 0 };
    this.#counted.set(likeness(kept), counted);
    return { counted, isFirst: true };
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function keepLatest(counted: Counted, event: AuditEvent): Counted {
  counted.latest = event;
  return counted;
}

function likeness({ type, client, address, reason }: AuditEvent): string {
  return JSON.stringify([type, client, address, reason]);
}

/** What stands for all refusals of a type beyond the limit: it names nobody. */
function anyOther({ type, outcome, at, requestId, count }: AuditEvent): AuditEvent {
  return { type, outcome, at, requestId, ...(count !== undefined && { count }), detail: { others: true } };
}
