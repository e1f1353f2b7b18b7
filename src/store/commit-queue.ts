import type { CommitOutcome, Unit } from '../audit/index.ts';
import { StoreUnavailable } from '../errors.ts';
import { inSpan } from '../observability/index.ts';
import { CommitFigures } from './store-figures.ts';

type Waiting<Change> = {
  readonly unit: Unit<Change>;
  readonly resolve: (outcome: CommitOutcome) => void;
  readonly reject: (error: unknown) => void;
};

/** Units in one batch: more would only make the first ones wait. */
const MAX_BATCH = 256;
/** With fewer at work there is hardly anything to share, and nobody is made to wait for it. */
const MANY_AT_WORK = 8;
const GATHERED_SHARE = 0.95;
const LONGEST_GATHERING_MS = 2;
/**
 * Whoever waits for a batch so many seconds is told that it is not known what became of it. They are counted one by one: a process
 * that was asleep has waited for one of them.
 */
const GIVE_UP_AFTER_SECONDS = 10;

/**
 * Gathers the units that wait, commits them at once, then answers: one fsync or one majority write for many requests. One batch
 * is under way while the next one gathers, and units commit in the order in which they came.
 *
 * A disk or a database that has stopped may never answer. A batch that does not end is given up: those in it hear that its outcome
 * is unknown, and until it does end every other unit is refused without being committed later, when nobody waits for it any more.
 */
export class CommitQueue<Change> {
  readonly figures = new CommitFigures();
  readonly #applyBatch: (units: readonly Unit<Change>[]) => Promise<readonly CommitOutcome[]>;
  readonly #secondMs: number;
  #hasGivenUp = false;
  #waiting: Waiting<Change>[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;
  /** How many must wait for the next batch to begin at once. */
  #enough = Number.POSITIVE_INFINITY;
  #onEnough: () => void = () => undefined;

  /**
   * @param applyBatch commits a batch and tells the outcome of each unit, in order; a rejection means that it is unknown
   * whether any of it was committed
   * @param patience how many times longer than usual a batch may take
   */
  constructor(
    applyBatch: (units: readonly Unit<Change>[]) => Promise<readonly CommitOutcome[]>,
    patience = 1,
  ) {
    this.#applyBatch = applyBatch;
    this.#secondMs = 1_000 * patience;
  }

  /** @throws {StoreUnavailable} when it is unknown whether the unit was committed, or when it was not and will not be */
  commit(unit: Unit<Change>): Promise<CommitOutcome> {
    if (this.#isClosed) return Promise.reject(new StoreUnavailable('the store is closed'));
    if (this.#hasGivenUp) return Promise.reject(doesNotEnd());
    return inSpan('commit', {}, () => this.#add(unit), describeOutcome);
  }

  #add(unit: Unit<Change>): Promise<CommitOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ unit, resolve, reject });
      this.figures.waiting += 1;
      this.#running ??= this.#run();
      if (this.#waiting.length >= this.#enough) this.#onEnough();
    });
  }

  /** Takes no more units, and resolves when those taken have been settled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    this.figures.underWaySince = performance.now();
    // Let the rest of this turn's requests join the first batch.
    await new Promise(resolve => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, MAX_BATCH);
      this.#waiting = this.#waiting.slice(MAX_BATCH);
      const startedAt = performance.now();
      this.figures.waiting = this.#waiting.length;
      this.figures.underWaySince = startedAt;
      let secondsLeft = GIVE_UP_AFTER_SECONDS;
      const seconds = setInterval(() => {
        secondsLeft -= 1;
        if (secondsLeft === 0) this.#giveUp(batch);
      }, this.#secondMs);
      try {
        const outcomes = await this.#applyBatch(batch.map(({ unit }) => unit));
        this.figures.hasFailed = false;
        this.figures.durations.observe(performance.now() - startedAt);
        this.figures.batchUnits.observe(batch.length);
        for (const [index, waiting] of batch.entries()) this.#settle(waiting, outcomes[index]);
      } catch (error) {
        this.figures.failedBatches += 1;
        this.figures.hasFailed = true;
        const unavailable =
          error instanceof StoreUnavailable
            ? error
            : new StoreUnavailable('a commit failed', { cause: error });
        for (const { reject } of batch) reject(unavailable);
      } finally {
        clearInterval(seconds);
        this.#hasGivenUp = false;
      }
      await this.#gather(batch.length + this.#waiting.length);
    }
    this.figures.underWaySince = undefined;
    this.#running = undefined;
  }

  /** Refuses all who wait. What becomes of the batch is counted when it ends. */
  #giveUp(batch: readonly Waiting<Change>[]): void {
    this.#hasGivenUp = true;
    const refused = [...batch, ...this.#waiting];
    this.#waiting = [];
    this.figures.waiting = 0;
    for (const { reject } of refused) reject(doesNotEnd());
  }

  /**
   * Lets the next batch grow where many are at work: those who have just been answered are about to come back, and what a batch
   * costs is shared by all in it. Without this they fall into two halves, and each waits for the other's commit.
   *
   * @param atWork how many units were under way or waiting when the last batch was done
   */
  async #gather(atWork: number): Promise<void> {
    const enough = Math.min(Math.ceil(atWork * GATHERED_SHARE), MAX_BATCH);
    if (atWork < MANY_AT_WORK || this.#waiting.length >= enough || this.#isClosed) return;
    await new Promise<void>(resolve => {
      const longest = setTimeout(resolve, LONGEST_GATHERING_MS);
      this.#enough = enough;
      this.#onEnough = () => {
        clearTimeout(longest);
        resolve();
      };
    });
    this.#enough = Number.POSITIVE_INFINITY;
  }

  #settle({ unit, resolve, reject }: Waiting<Change>, outcome: CommitOutcome | undefined): void {
    if (!outcome) {
      reject(new StoreUnavailable('a unit was not settled'));
      return;
    }
    if (outcome.committed) this.figures.countEvents(unit.events);
    else this.figures.countConflict(outcome.conflict);
    resolve(outcome);
  }
}

function doesNotEnd(): StoreUnavailable {
  return new StoreUnavailable('a commit does not end');
}

const describeOutcome = (outcome: CommitOutcome): Record<string, string> =>
  outcome.committed ? {} : { 'countersign.conflict': outcome.conflict };
