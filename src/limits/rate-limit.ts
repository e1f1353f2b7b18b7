import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';

/** How many seconds' worth may come at once. */
const BURST_SECONDS = 10;

interface Bucket {
  /** What may still be taken. */
  left: number;
  /** When that was so, in milliseconds since the epoch. */
  at: number;
}

/**
 * A rate for each of many callers, in memory: so many a second, in bursts of up to ten seconds' worth. Attempts are counted, not
 * their outcome. It keeps a fixed number of callers at most; the least recent are forgotten first, and who is forgotten begins
 * with a full measure.
 *
 * A token bucket of our own: the libraries are asynchronous and keep a timer for each caller, and this is asked on every request.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #buckets: RecentlyUsed<Bucket>;

  /** @param perSecond 0 for no limit */
  constructor(perSecond: number, maxCallers = 20_000) {
    this.#perSecond = perSecond;
    this.#buckets = newRecentlyUsed(maxCallers);
  }

  /**
   * Takes one.
   *
   * @param nowMs milliseconds since the epoch
   * @returns 0, or when there is none left, in how many seconds there will be
   */
  take(caller: string, nowMs: number): number {
    const perSecond = this.#perSecond;
    if (perSecond === 0) return 0;
    const most = perSecond * BURST_SECONDS;
    const bucket = this.#buckets.get(caller);
    if (!bucket) {
      this.#buckets.set(caller, { left: most - 1, at: nowMs });
      return 0;
    }
    // After a clock that was ahead time goes back, and nobody owes for that.
    const passedMs = Math.max(0, nowMs - bucket.at);
    bucket.left = Math.min(most, bucket.left + (passedMs * perSecond) / 1_000);
    bucket.at = nowMs;
    if (bucket.left >= 1) {
      bucket.left -= 1;
      return 0;
    }
    return Math.ceil((1 - bucket.left) / perSecond);
  }

  get size(): number {
    return this.#buckets.size;
  }
}
