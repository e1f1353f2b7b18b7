import type mongoose from 'mongoose';
import type { Clock } from '../../clock.ts';

/** What time somebody else has, and how far that may be out. */
interface Reading {
  readonly time: number;
  readonly uncertaintyMs: number;
}

/** Further apart, and what this process writes would be wrong for all others, or what it judges. */
const APART_MS = 5_000;

/**
 * Holds our time against that of the primary, which all processes share: one wrong clock must not spoil the others' store.
 *
 * The primary is asked now and then; in between, what has passed on the monotonic clock is added. The answer is of the middle of the
 * round trip, so a slow one says less.
 */
export class PrimaryClock {
  readonly #now: Clock;
  readonly #ask: () => Promise<number | undefined>;
  readonly #monotonic: Clock;
  /** What the primary had, and the monotonic clock with it. */
  #asked: (Reading & { readonly at: number }) | undefined;

  /**
   * @param now our time, which is judged
   * @param ask what time the primary has; undefined where it does not say
   * @param monotonic what has passed since some moment
   */
  constructor(
    now: Clock,
    ask: () => Promise<number | undefined>,
    monotonic: Clock = () => performance.now(),
  ) {
    this.#now = now;
    this.#ask = ask;
    this.#monotonic = monotonic;
  }

  /** Asks the primary. @throws when it does not answer: what was known stays known */
  async ask(): Promise<void> {
    const before = this.#monotonic();
    const time = await this.#ask();
    const uncertaintyMs = (this.#monotonic() - before) / 2;
    if (time !== undefined) this.#asked = { time, uncertaintyMs, at: before + uncertaintyMs };
  }

  /** What is wrong with our time, for a probe that strangers read; undefined where nothing is, or nothing is known. */
  problem(): string | undefined {
    const primary = this.read();
    if (!primary) return undefined;
    const aheadMs = this.#now() - primary.time;
    if (Math.abs(aheadMs) - primary.uncertaintyMs <= APART_MS) return undefined;
    const apart = `${Math.ceil(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
    return `this process is ${apart} the clock of the database`;
  }

  /** When a commit is: our time, or the primary's where ours is wrong. */
  commitTime(): number {
    const primary = this.read();
    return primary && this.problem() !== undefined ? Math.floor(primary.time) : this.#now();
  }

  protected read(): Reading | undefined {
    const asked = this.#asked;
    return asked && { ...asked, time: asked.time + this.#monotonic() - asked.at };
  }
}

/** A primary whose time is known without asking. */
export class KnownPrimaryClock extends PrimaryClock {
  readonly #primary: Clock;

  constructor(now: Clock, primary: Clock) {
    super(now, () => Promise.resolve(undefined));
    this.#primary = primary;
  }

  protected override read(): Reading {
    return { time: this.#primary(), uncertaintyMs: 0 };
  }
}

/** Asks the primary what time it has. */
export function askPrimary(db: mongoose.mongo.Db): () => Promise<number | undefined> {
  return async () => {
    const { localTime } = await db.admin().command({ hello: 1 });
    return localTime instanceof Date ? localTime.getTime() : undefined;
  };
}
