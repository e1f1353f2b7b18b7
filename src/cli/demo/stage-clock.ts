import { type SystemTime, systemTime } from '../../clock.ts';
import type { CommitWatch } from './commit-watch.ts';

/** The machine's clocks, and how far the demo has moved them: both together, so that to the server it is time that has passed. */
export interface StageTime extends SystemTime {
  pass(ms: number): void;
}

export function stageTime(): StageTime {
  let ahead = 0;
  return {
    wall: () => systemTime.wall() + ahead,
    monotonic: () => systemTime.monotonic() + ahead,
    pass: ms => {
      ahead += ms;
    },
  };
}

/** By which time the server on the stage goes, and whether that can be moved. */
export interface StageClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Absent where the server is not the demo's own: its clock is the machine's then. */
  readonly movable?: {
    pass(ms: number): void;
    /** Resolves with the commit that makes it so. */
    until(isSo: () => Promise<boolean>): Promise<void>;
  };
}

/** Of a server whose clocks nobody here can move. */
export const MACHINE_CLOCK: StageClock = { now: Date.now };

/** Of the server that goes by these clocks, and whose commits are heard here. */
export function movableClock(time: StageTime, commits: CommitWatch): StageClock {
  const forEver = new AbortController().signal;
  return {
    now: () => time.wall(),
    movable: { pass: time.pass, until: isSo => commits.until(isSo, forEver) },
  };
}
