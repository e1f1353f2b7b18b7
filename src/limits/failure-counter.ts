import { type Background, recur } from '../background.ts';
import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';
import type { AttemptStore } from './attempt-store.ts';

/** Failures are forgotten when their period is over. */
const PERIOD_MS = 600_000;
const MAX_RETRY_SECONDS = 60;
const MAX_KEPT = 20_000;
/** What strangers can have written to disk: so many counters in one go … */
const MAX_SHARED_AT_ONCE = 200;
/** … and so often. */
const SHARE_EVERY_MS = 250;

interface Count {
  readonly period: number;
  /** As far as it is known here. */
  total: number;
  /** How many of them no other process can know of yet. */
  unshared: number;
}

/**
 * Counts failures of many callers, in periods of ten minutes: at once in this process, and soon in all of them, by durable
 * counters. A process learns what the others have counted when it has something to add itself.
 *
 * What it keeps is bounded, and so is what it has written: of a flood of failures under many names, those that were the first to be
 * noted since it last wrote are shared, and the others count in this process only.
 */
export class FailureCounter {
  readonly #attempts: AttemptStore;
  readonly #counts: RecentlyUsed<Count> = newRecentlyUsed(MAX_KEPT);
  readonly #unshared = new Map<string, Count>();
  readonly #background: Background;

  /** @param onError told when the store did not take what was counted; it is still counted here */
  constructor(attempts: AttemptStore, onError: (error: unknown) => void) {
    this.#attempts = attempts;
    this.#background = recur(() => this.share(), SHARE_EVERY_MS, onError);
  }

  /**
   * Counts a failure.
   *
   * @param caller who failed, or where from
   * @param free how many failures a period has before there is a limit
   * @param nowMs milliseconds since the epoch
   * @returns how many seconds to wait before the next attempt: 0 below the limit, then twice as many each time, up to a minute
   */
  note(caller: string, free: number, nowMs: number): number {
    const period = Math.floor(nowMs / PERIOD_MS);
    let count = this.#counts.get(caller);
    if (count?.period !== period) {
      count = { period, total: 0, unshared: 0 };
      this.#counts.set(caller, count);
    }
    count.total += 1;
    count.unshared += 1;
    if (this.#unshared.size < MAX_SHARED_AT_ONCE) this.#unshared.set(caller, count);
    const over = count.total - free;
    return over <= 0 ? 0 : Math.min(MAX_RETRY_SECONDS, 2 ** Math.min(over - 1, 6));
  }

  /** Callers that are remembered. */
  get size(): number {
    return this.#counts.size;
  }

  /**
   * Tells the other processes, and hears of them.
   *
   * @throws {StoreUnavailable} nothing is lost by it: it is told the next time
   */
  async share(): Promise<void> {
    if (this.#unshared.size === 0) return;
    const shared = [...this.#unshared].map(([caller, count]) => ({ caller, count, added: count.unshared }));
    this.#unshared.clear();
    const totals = await this.#attempts.addAttempts(
      shared.map(({ caller, count: { period }, added }) => ({
        key: `${caller} ${period}`,
        count: added,
        expiresAt: (period + 1) * PERIOD_MS,
      })),
    );
    for (const [index, { count, added }] of shared.entries()) {
      count.unshared -= added;
      count.total = Math.max(count.total, (totals[index] ?? 0) + count.unshared);
    }
  }

  /** Ends, after telling the others once more. Never rejected. */
  async close(): Promise<void> {
    await this.#background.stop();
    await this.share().catch(() => undefined);
  }
}
