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
   * How many different refusals of one minute get rows of their own, at most two each; of strangers so many, and of registered clients
   * and persons so many again. Those beyond are counted together: it bounds what strangers can make us write, at 1,000 to about 0.8 MB
   * a minute, and what we keep in memory.
   */
  readonly maxDistinct?: number;
  /** Ends the wait of a refused caller for its row; the system's where absent. */
  readonly deadline?: Deadline | undefined;
  /** Told when the store did not take a row. The refusal is kept and counted with later ones. */
  readonly onError?: (error: unknown) => void;
}

/** Who was refused: a client or person that is registered, or is claimed to be one that is; or anybody else. */
export type RefusedParty = 'registered' | 'stranger';

/** Of one registered client or person, in one minute: different refusals that are counted each by itself, and rows of their own. */
const MOST_OF_ONE = 100;

interface Noted {
  readonly event: AuditEvent;
  readonly party: RefusedParty;
}

interface Counted {
  latest: AuditEvent;
  readonly party: RefusedParty;
  /** How many have come for which no row is written yet. */
  unwritten: number;
}

/** What was counted in a minute. */
class Minute {
  readonly counted = new Map<string, Counted>();
  readonly distinct = { registered: 0, stranger: 0 };
  /** By client or person, of those that are registered. */
  readonly distinctOf = new Map<string, number>();
  readonly ownRowsOf = new Map<string, number>();
}

/**
 * Records refusals that anybody can cause, so that nobody can fill the disk with them. Alike ones, of the same type, client, person,
 * address and reason, are counted for a minute: the first is written at once, the rest as one row with a `count` when the minute
 * is over. The counts of all rows add up to what has happened.
 *
 * What strangers do displaces nothing that is known of registered clients and persons: these are counted beside them, and where there
 * are too many, still by who it is and why.
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
  #counts = new Minute();
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
  async note(event: AuditEvent, party: RefusedParty = 'stranger'): Promise<void> {
    void this.sweep();
    const cleaned = event.client === undefined ? event : { ...event, client: untrustedText(event.client) };
    const { counted, isFirst } = this.#find({ event: cleaned, party });
    if (!isFirst) {
      counted.unwritten += event.count ?? 1;
      return;
    }
    const written = this.#write([{ event: counted.latest, party }]).finally(() =>
      this.#underWay.delete(written),
    );
    this.#underWay.add(written);
    await Promise.race([written, ended(this.#deadline(PATIENCE_MS))]);
  }

  /**
   * Takes a refusal of a client that has proved itself. So many of them in a minute have rows of their own, to be committed with what the
   * request changes; the rest are counted, as they can come as fast as those of strangers.
   *
   * @returns what is to be committed: the event, or nothing where it was counted
   */
  take(event: AuditEvent): readonly AuditEvent[] {
    void this.sweep();
    const { ownRowsOf } = this.#counts;
    const rows = ownRowsOf.get(nameOf(event)) ?? 0;
    if (rows < MOST_OF_ONE) {
      ownRowsOf.set(nameOf(event), rows + 1);
      return [event];
    }
    void this.note(event, 'registered');
    return [];
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
    const rows: Noted[] = [];
    for (const { latest, unwritten, party } of this.#counts.counted.values()) {
      if (unwritten > 0) rows.push({ event: { ...latest, count: unwritten }, party });
    }
    this.#counts = new Minute();
    if (rows.length === 0) return;
    // One at a time: counts that the store does not take in a minute must not pile up.
    this.#writing = this.#writeInUnits(rows);
    await this.#writing;
    this.#writing = undefined;
  }

  async #writeInUnits(rows: readonly Noted[]): Promise<void> {
    for (let start = 0; start < rows.length; start += ROWS_PER_UNIT) {
      await this.#write(rows.slice(start, start + ROWS_PER_UNIT));
    }
  }

  async #write(rows: readonly Noted[]): Promise<void> {
    try {
      const outcome = await this.#audit.commit({ changes: [], events: rows.map(({ event }) => event) });
      if (outcome.committed) return;
      this.#onError(new Error(`refusals were not recorded: ${outcome.conflict}`));
    } catch (error) {
      this.#onError(error);
    }
    for (const row of rows) this.#find(row).counted.unwritten += row.event.count ?? 1;
  }

  #find(noted: Noted): { readonly counted: Counted; readonly isFirst: boolean } {
    const { event, party } = noted;
    const known = this.#counts.counted.get(likeness(noted));
    if (known) return { counted: keepLatest(known, event), isFirst: false };
    const kept = { party, event: this.#hasRoom(noted) ? event : anyOther(noted) };
    const other = this.#counts.counted.get(likeness(kept));
    if (other) return { counted: keepLatest(other, kept.event), isFirst: false };
    const counted = { latest: kept.event, party, unwritten: 0 };
    this.#counts.counted.set(likeness(kept), counted);
    return { counted, isFirst: true };
  }

  /** Whether one more of this kind is counted by itself; it is counted then. */
  #hasRoom({ event, party }: Noted): boolean {
    const { distinct, distinctOf } = this.#counts;
    const own = distinctOf.get(nameOf(event)) ?? 0;
    if (distinct[party] >= this.#maxDistinct || (party === 'registered' && own >= MOST_OF_ONE)) return false;
    distinct[party] += 1;
    if (party === 'registered') distinctOf.set(nameOf(event), own + 1);
    return true;
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

/** By what a client or person is counted. */
function nameOf({ client, target, subject }: AuditEvent): string {
  return client ?? target ?? subject ?? '';
}

function likeness({ event, party }: Noted): string {
  const { type, client, address, reason, target, subject, detail } = event;
  return JSON.stringify([party, type, client, address, reason, target, subject, detail?.['others']]);
}

/** What stands for all refusals of a type beyond the limit: of strangers it names nobody, of others who it was and why. */
function anyOther({ event, party }: Noted): AuditEvent {
  const { type, outcome, at, requestId, count, client, target, reason } = event;
  return {
    type,
    outcome,
    at,
    requestId,
    ...(count !== undefined && { count }),
    ...(party === 'registered' && {
      ...(client !== undefined && { client }),
      ...(client === undefined && target !== undefined && { target }),
      ...(reason !== undefined && { reason }),
    }),
    detail: { others: true },
  };
}
