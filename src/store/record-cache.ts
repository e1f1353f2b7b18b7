import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';

/**
 * Records in memory, kept until the feed says that they have changed. What is absent is not remembered: anybody can ask for
 * what does not exist.
 */
export class RecordCache<R extends object> {
  readonly #records: RecentlyUsed<R>;
  #invalidations = 0;

  /** @param max how many records at most; the least recently used go first */
  constructor(max = 20_000) {
    this.#records = newRecentlyUsed(max);
  }

  /**
   * The record under a key, from memory or else loaded. A load that overlapped an invalidation may have read the state before
   * it, so its result is used but not kept.
   */
  async find(key: string, load: () => Promise<R | undefined>): Promise<R | undefined> {
    const known = this.#records.get(key);
    if (known) return known;
    const invalidations = this.#invalidations;
    const loaded = await load();
    if (loaded && invalidations === this.#invalidations) {
      this.#records.set(key, loaded);
    }
    return loaded;
  }

  /** Forgets one record. */
  invalidate(key: string): void {
    this.#invalidations += 1;
    this.#records.delete(key);
  }

  /** Forgets everything, when it is unknown what has changed. */
  clear(): void {
    this.#invalidations += 1;
    this.#records.clear();
  }
}
