/** The present, in milliseconds since the epoch. Passed in everywhere, so that tests can hold it still. */
export type Clock = () => number;

/** A signal that is aborted after so many milliseconds: the end of a wait for somebody else. Passed in, so that tests say when. */
export type Deadline = (ms: number) => AbortSignal;

export const systemDeadline: Deadline = ms => AbortSignal.timeout(ms);

/** What time it is, as far as it can be told; all in milliseconds. */
export interface Moment {
  /** The present, since the epoch: what is issued, written and swept goes by it. */
  readonly now: number;
  /** The latest that it may be: what has ended by then has ended. The same as `now` but for some seconds after a jump forward. */
  readonly latest: number;
  /** By how much `now` is ahead of the machine's own clock, which others go by: 0 unless that was set back. */
  readonly leadMs: number;
}

/** A moment of which there is no doubt. */
export function certainMoment(now: number): Moment {
  return { now, latest: now, leadMs: 0 };
}

/** What the machine's own clock said, believed or not: one-time codes count by it, since phones do. */
export function wallAt({ latest, leadMs }: Moment): number {
  return latest - leadMs;
}

/** What is written on what others verify by their own clock, such as a JWT: to them it would be from the future by our lead, and last longer. */
export function issuedForOthers({ now, leadMs }: Moment): number {
  return now - leadMs;
}

/** Whether the machine's clock is so far behind that nothing may be issued, signed in to or approved. */
export function isTooFarAhead({ leadMs }: Pick<Moment, 'leadMs'>): boolean {
  return leadMs > MAX_LEAD_MS;
}

/** The machine's two clocks, in milliseconds: neither is believed without the other. */
export interface SystemTime {
  /** What day it is, since the epoch. It may be wrong, and it may be set, forward and back. */
  wall(): number;
  /** What has passed since some moment. It never steps; it may stand still while the machine sleeps. */
  monotonic(): number;
}

export const systemTime: SystemTime = { wall: Date.now, monotonic: () => performance.now() };

/** How far the wall may move against the monotonic clock in a minute before it has jumped. */
const STEP_MS = 2_000;
const STEP_WINDOW_MS = 60_000;
/** A jump forward is believed after readings have agreed with it for so long by the monotonic clock: the machine slept. */
const BELIEVED_AFTER_MS = 10_000;
/** How far this clock may be ahead of the wall, catching up, while tokens are still issued. */
const MAX_LEAD_MS = 30_000;

/** How it stands with the server's time, for log and probes; small differences are `right`. */
export type ClockState = 'right' | 'jump-in-doubt' | 'catching-up' | 'too-far-ahead';

/** That it stands differently than at the reading before. */
export interface ClockChange {
  readonly from: ClockState;
  readonly to: ClockState;
  /** How far the machine's clock is from this one: positive where it is later. What was believed, where a jump was. */
  readonly wallAheadMs: number;
  /** A jump forward was believed: this clock goes by it from now on. */
  readonly isBelieved: boolean;
}

/**
 * The time by which the server decides (I18). One reading of the machine's clock is never believed by itself, and time neither
 * runs back nor stands still:
 *
 * - It follows the wall while that moves less than 2 s against the monotonic clock in a minute.
 * - A larger jump forward is believed when readings of 10 s agree with it. Until then there are two times: ends are judged by the
 *   later, `latest`, and what is issued or swept goes by the earlier, `now`.
 * - After a jump back it is ahead of the wall. Up to 30 s, it runs at half speed until the wall has caught up. Further ahead it
 *   runs on by the monotonic clock, and nothing may be issued (`isTooFarAhead`) until the wall comes within 30 s, or an operator accepts it.
 *
 * It reads both clocks when it is asked, however seldom that is: what is between two readings is measured by the monotonic clock alone.
 */
export class ServerClock {
  readonly #source: SystemTime;
  readonly #onChange: (change: ClockChange) => void;
  /** The last reading: our time, and the monotonic clock with it. */
  #time: number;
  #readAt: number;
  /**
   * Wall and monotonic clock as they once went together: what the present minute's moves are measured against. It stays while the
   * wall is not followed, so that to come back to where the monotonic clock has it is no jump.
   */
  #since: { readonly time: number; readonly at: number };
  /** A jump forward that is not believed yet: by how much, since when on the monotonic clock, and when it was last seen. */
  #doubt: { readonly offset: number; readonly since: number; readonly seenAt: number } | undefined;
  #leadMs = 0;
  #state: ClockState = 'right';

  /** @param onChange told once of each change of `state`, in the reading that finds it */
  constructor(source: SystemTime = systemTime, onChange: (change: ClockChange) => void = () => undefined) {
    this.#source = source;
    this.#onChange = onChange;
    this.#readAt = source.monotonic();
    this.#time = source.wall();
    this.#since = { time: this.#time, at: this.#readAt };
  }

  /** The present, in milliseconds since the epoch: `moment().now`, as a function that needs no object. */
  readonly now: Clock = () => {
    this.#read();
    return Math.floor(this.#time);
  };

  /** The latest that it may be, in milliseconds since the epoch: `moment().latest`, likewise. */
  readonly latest: Clock = () => this.moment().latest;

  moment(): Moment {
    const wall = this.#read();
    const now = Math.floor(this.#time);
    return { now, latest: this.#doubt ? Math.max(now, wall) : now, leadMs: this.#leadMs };
  }

  /** As of the last reading. */
  get state(): ClockState {
    return this.#state;
  }

  /** It was this time already, as something that is written down shows: it is not earlier now. */
  raiseTo(ms: number): void {
    this.#read();
    if (ms > this.#time) this.#set(ms);
    this.#read();
  }

  /** Goes by the wall from now on, back too. Only where what would live again by that has been ended. */
  acceptWall(): void {
    this.#set(this.#source.wall());
    this.#leadMs = 0;
    this.#read();
  }

  #set(time: number): void {
    this.#time = time;
    this.#readAt = this.#source.monotonic();
    this.#since = { time, at: this.#readAt };
    this.#doubt = undefined;
  }

  /** Takes a reading of both clocks. @returns what the wall said */
  #read(): number {
    const at = Math.max(this.#source.monotonic(), this.#readAt);
    const wall = this.#source.wall();
    const passed = at - this.#readAt;
    this.#readAt = at;
    const runOn = this.#time + passed;
    const lead = runOn - wall;
    let isBelieved = false;
    if (lead >= 0) {
      this.#doubt = undefined;
      this.#time = lead > MAX_LEAD_MS ? runOn : Math.max(wall, this.#time + passed / 2);
      // In whole milliseconds, as `now` is: parts of one are no lead.
      this.#leadMs = Math.max(0, Math.floor(this.#time) - wall);
    } else {
      this.#leadMs = 0;
      const isStep = wall - (this.#since.time + at - this.#since.at) >= STEP_MS;
      isBelieved = isStep && this.#isBelieved(wall - at, at);
      if (isStep && !isBelieved) this.#time = runOn;
      else {
        this.#doubt = undefined;
        this.#time = wall;
        if (isBelieved || at - this.#since.at >= STEP_WINDOW_MS) this.#since = { time: wall, at };
      }
    }
    this.#note(isBelieved ? -lead : wall - this.#time, isBelieved);
    return wall;
  }

  /**
   * Whether readings have agreed on a jump for long enough; begins to doubt it where it is new. Readings that are more than a minute
   * apart say nothing of what was between them.
   */
  #isBelieved(offset: number, at: number): boolean {
    const { offset: first, since, seenAt } = this.#doubt ?? { offset, since: at, seenAt: at };
    const isSame = Math.abs(offset - first) < STEP_MS && at - seenAt <= STEP_WINDOW_MS;
    this.#doubt = isSame ? { offset: first, since, seenAt: at } : { offset, since: at, seenAt: at };
    return at - this.#doubt.since >= BELIEVED_AFTER_MS;
  }

  #note(wallAheadMs: number, isBelieved: boolean): void {
    const from = this.#state;
    const to = this.#stateNow();
    this.#state = to;
    if (from !== to || isBelieved)
      this.#onChange({ from, to, wallAheadMs: Math.round(wallAheadMs), isBelieved });
  }

  #stateNow(): ClockState {
    if (this.#doubt) return 'jump-in-doubt';
    if (isTooFarAhead({ leadMs: this.#leadMs })) return 'too-far-ahead';
    return this.#leadMs >= STEP_MS ? 'catching-up' : 'right';
  }
}

/** JWT and OAuth instants are whole seconds (RFC 7519 section 2, NumericDate). */
export function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
