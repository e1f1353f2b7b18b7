import type { Clock, SystemTime } from '../../src/clock.ts';

/** The two clocks of a machine, which stand still until they are moved, and what time it really is. */
export interface MovableTime extends SystemTime {
  /** What everybody else's clocks show, such as the database's. */
  readonly actual: Clock;
  /** So much time passes, and all clocks show it. */
  pass(ms: number): void;
  /** The machine sleeps for so long: its monotonic clock stands still. */
  sleep(ms: number): void;
  /** The wall is set, forward or back; no other clock knows of it. */
  setBy(ms: number): void;
  /** The wall is set to an instant. */
  wallAt(ms: number): void;
}

export function movableTime(start: number = Date.now()): MovableTime {
  let actual = start;
  let wall = start;
  let monotonic = 0;
  return {
    actual: () => actual,
    wall: () => wall,
    monotonic: () => monotonic,
    pass(ms) {
      actual += ms;
      wall += ms;
      monotonic += ms;
    },
    sleep(ms) {
      actual += ms;
      wall += ms;
    },
    setBy(ms) {
      wall += ms;
    },
    wallAt(ms) {
      wall = ms;
    },
  };
}
