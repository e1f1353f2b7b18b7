import type { CommitOutcome, Unit } from '../audit/index.ts';
import { StoreUnavailable } from '../errors.ts';

type Waiting<Change> = {
  readonly unit: Unit<Change>;
  readonly resolve: (outcome: CommitOutcome) => void;
  readonly reject: (error: unknown) => void;
};

/** Units in one batch: more would only make the first ones wait. */
const MAX_BATCH = 256;

/**
 * Gathers the units that wait, commits them at once, then answers: one fsync or one majority write for many requests. One batch
 * is under way while the next one gathers, and units commit in the order in which they came.
 */
export class CommitQueue<Change> {
  readonly #applyBatch: (units: readonly Unit<Change>[]) => Promise<readonly CommitOutcome[]>;
  #waiting: Waiting<Change>[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;

  /**
   * @param applyBatch commits a batch and tells the outcome of each unit, in order; a rejection means that it is unknown
   * whether any of it was committed
   */
  constructor(applyBatch: (units: readonly Unit<Change>[]) => Promise<readonly CommitOutcome[]>) {
    this.#applyBatch = applyBatch;
  }

  commit(unit: Unit<Change>): Promise<CommitOutcome> {
    if (this.#isClosed) return Promise.reject(new StoreUnavailable('the store is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ unit, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Takes no more units, and resolves when those taken have been settled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // Let the rest of this turn's requests join the first batch.
    await new Promise(resolve => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, MAX_BATCH);
      this.#waiting = this.#waiting.slice(MAX_BATCH);
      try {
        const outcomes = await this.#applyBatch(batch.map(({ unit }) => unit));
        for (const [index, { resolve, reject }] of batch.entries()) {
          const outcome = outcomes[index];
          if (outcome) resolve(outcome);
          else reject(new StoreUnavailable('a unit was not settled'));
        }
      } catch (error) {
        const unavailable =
          error instanceof StoreUnavailable
            ? error
            : new StoreUnavailable('a commit failed', { cause: error });
        for (const { reject } of batch) reject(unavailable);
      }
    }
    this.#running = undefined;
  }
}
