import { type Background, recur } from '../background.ts';
import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';
import type { AttemptStore } from './attempt-store.ts';

/** Failures are forgotten when their period is over. */
const PERIOD_MS = 600_000;
const MAX_RETRY_SECONDS = 60;
const MAX_KEPT = 20_000;

/** What strangers can have written to disk in each pause: so many new counters … */
const MAX_NEW = 200;
/** … and so many transactions, … */
const MAX_SHARES = 50;
/** … of so many counters each. */
const MAX_IN_A_SHARE = 200;
const PAUSE_MS = 250;

/** Who failed, or where from. */
export interface Failure {
  readonly caller: string;
  /** How many failures a period has before there is a limit. */
  readonly free: number;
}

interface Count {
  readonly key: string;
  readonly expiresAt: number;
  /** What has failed here. */
  own: number;
  /** How many of those are on their way to the store, or there. */
  sent: number;
  /** How many of those are in the store for certain. */
  told: number;
  /** What has failed at the other processes, as far as it is known. */
  elsewhere: number;
}

/**
 * Counts failures of many callers, in periods of ten minutes, in all processes together: each counts at once what fails with it,
 * soon tells the others by durable counters, and looks at these before it says that a caller may go on. Nobody waits for what is
 * written, so that a store that is held by somebody else holds up no refusal; what is on its way counts for its own process.
 *
 * What it keeps is bounded, and so is what it has written: of a flood of failures under many names, those that were the first to be
 * noted are shared, and the others count in this process only.
 */
export class FailureCounter {
  readonly #attempts: AttemptStore;
  readonly #onError: (error: unknown) => void;
  readonly #counts: RecentlyUsed<Count> = newRecentlyUsed(MAX_KEPT);
  readonly #unshared = new Set<Count>();
  readonly #background: Background;
  #sharing: Promise<void> | undefined;
  #newLeft = MAX_NEW;
  #sharesLeft = MAX_SHARES;

  /** @param onError told when the store did not take what was counted; it is still counted here */
  constructor(attempts: AttemptStore, onError: (error: unknown) => void) {
    this.#attempts = attempts;
    this.#onError = onError;
    this.#background = recur(() => this.#afterPause(), PAUSE_MS, onError);
  }

  /**
   * Counts failures. They are counted when this returns; the promise is of what they come to.
   *
   * @param nowMs milliseconds since the epoch
   * @returns for each, how many seconds to wait before the next attempt: 0 below the limit, then twice as many each time, up to a
   *   minute; never rejected
   */
  async note(failures: readonly Failure[], nowMs: number): Promise<readonly number[]> {
    const noted = failures.map(({ caller, free }) => {
      const count = this.#countOf(caller, nowMs);
      count.own += 1;
      return { count, free, own: count.own };
    });
    const isLimited = noted.some(({ count, free, own }) => own + count.elsewhere > free);
    // Whoever is limited already is not looked up: that is what a limit saves. A store that does not tell does not take either.
    if (!isLimited) await this.#hear(noted.map(({ count }) => count)).catch(() => undefined);
    // Only now: what the store has is then told apart from what is on its way there.
    for (const { count } of noted) this.#willShare(count);
    this.#shareSoon();
    return noted.map(({ count, free, own }) => retrySeconds(own + count.elsewhere - free));
  }

  /** Callers that are remembered. */
  get size(): number {
    return this.#counts.size;
  }

  /** Ends, after telling the others once more. Never rejected. */
  async close(): Promise<void> {
    await this.#background.stop();
    try {
      while (this.#sharing || this.#unshared.size > 0) await this.#share();
    } catch {
      // The store is gone; what it was not told counts no more.
    }
  }

  #countOf(caller: string, nowMs: number): Count {
    const period = Math.floor(nowMs / PERIOD_MS);
    const key = `${caller} ${period}`;
    let count = this.#counts.get(caller);
    if (count?.key !== key) {
      count = { key, expiresAt: (period + 1) * PERIOD_MS, own: 0, sent: 0, told: 0, elsewhere: 0 };
      this.#counts.set(caller, count);
    }
    return count;
  }

  /** Learns what the other processes have counted. */
  async #hear(counts: readonly Count[]): Promise<void> {
    const totals = await this.#attempts.readAttempts(counts.map(({ key }) => key));
    for (const [index, count] of counts.entries()) {
      // What is on its way may be in the total or not.
      count.elsewhere = Math.max(count.elsewhere, (totals[index] ?? 0) - count.sent);
    }
  }

  #willShare(count: Count): void {
    if (count.own === count.sent) return;
    if (count.sent === 0 && !this.#unshared.has(count)) {
      if (this.#newLeft === 0 || this.#unshared.size >= MAX_KEPT) return;
      this.#newLeft -= 1;
    }
    this.#unshared.add(count);
  }

  #shareSoon(): void {
    if (this.#sharing || this.#sharesLeft === 0 || this.#unshared.size === 0) return;
    this.#sharesLeft -= 1;
    this.#share().then(
      () => this.#shareSoon(),
      error => {
        // Not before the next pause: a store that does not take it is not asked, and the log not told, for each failure.
        this.#sharesLeft = 0;
        this.#onError(error);
      },
    );
  }

  async #afterPause(): Promise<void> {
    this.#newLeft = MAX_NEW;
    this.#sharesLeft = MAX_SHARES;
    if (this.#unshared.size > 0) await this.#share();
  }

  #share(): Promise<void> {
    this.#sharing ??= this.#tellAndHear().finally(() => {
      this.#sharing = undefined;
    });
    return this.#sharing;
  }

  /** Tells the other processes, and hears of them. Nothing is lost where it fails: it is told the next time. */
  async #tellAndHear(): Promise<void> {
    const counts = [...this.#unshared].slice(0, MAX_IN_A_SHARE);
    const additions = counts.map(({ key, own, sent, expiresAt }) => ({ key, count: own - sent, expiresAt }));
    for (const count of counts) {
      this.#unshared.delete(count);
      count.sent = count.own;
    }
    try {
      const totals = await this.#attempts.addAttempts(additions);
      for (const [index, count] of counts.entries()) {
        count.told += additions[index]?.count ?? 0;
        count.elsewhere = Math.max(count.elsewhere, (totals[index] ?? 0) - count.told);
      }
    } catch (error) {
      for (const count of counts) {
        count.sent = count.told;
        this.#unshared.add(count);
      }
      throw error;
    }
  }
}

function retrySeconds(over: number): number {
  return over <= 0 ? 0 : Math.min(MAX_RETRY_SECONDS, 2 ** Math.min(over - 1, 6));
}
