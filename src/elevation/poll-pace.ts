import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';

/** Seconds that a client is told to leave between two polls. */
export const POLL_INTERVAL_SECONDS = 5;
/** RFC 8628 section 3.5: by so much the interval grows each time. */
const GROWTH_MS = 5_000;
/** It grows no further, so that whoever begins to keep it is answered again. */
const MAX_INTERVAL_MS = 60_000;
/** Timers of honest clients fire a little early. */
const LEEWAY_MS = 500;
/** More polls than these, each too fast after the last, are no mistake any more. */
const MAX_TOO_FAST = 3;

interface Pace {
  /** The last poll, in milliseconds since the epoch. */
  at: number;
  intervalMs: number;
  /** So many in a row came too fast. */
  tooFast: number;
}

/**
 * How fast each code is polled, in the memory of this process, of a fixed number of codes: whoever is forgotten, or comes to another
 * process, begins afresh. The first poll is never too fast.
 */
export class PollPace {
  readonly #paces: RecentlyUsed<Pace>;

  constructor(maxCodes = 50_000) {
    this.#paces = newRecentlyUsed(maxCodes);
  }

  /**
   * Takes note of a poll that is told to wait on.
   *
   * @param code its digest
   * @param nowMs milliseconds since the epoch
   */
  note(code: string, nowMs: number): 'in-time' | 'too-fast' | 'far-too-fast' {
    const pace = this.#paces.get(code);
    if (!pace) {
      this.#paces.set(code, { at: nowMs, intervalMs: POLL_INTERVAL_SECONDS * 1_000, tooFast: 0 });
      return 'in-time';
    }
    // After a clock that was ahead time goes back, and nobody has to wait for it to come again.
    const isInTime = nowMs < pace.at || nowMs - pace.at >= pace.intervalMs - LEEWAY_MS;
    pace.at = nowMs;
    pace.tooFast = isInTime ? 0 : pace.tooFast + 1;
    if (isInTime) return 'in-time';
    pace.intervalMs = Math.min(pace.intervalMs + GROWTH_MS, MAX_INTERVAL_MS);
    return pace.tooFast > MAX_TOO_FAST ? 'far-too-fast' : 'too-fast';
  }
}
