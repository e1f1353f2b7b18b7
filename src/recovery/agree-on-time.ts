import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, ServerClock } from '../clock.ts';

/** What a store can tell of the time. */
interface KeptTimes {
  /** Milliseconds since the epoch; undefined where none was kept yet. */
  readonly lastCommittedAt: number | undefined;
  /** What is wrong with our time by the database's own clock. */
  clockProblem(): string | undefined;
}

export interface AgreeingDeps {
  readonly clock: ServerClock;
  /** By which is told how long has been waited. */
  readonly monotonic: Clock;
  /** Told once, where the start has to wait. */
  readonly onWait: (why: string) => void;
}

/** So far clocks may be apart, and a start takes the later time for the present. */
const MAX_BEHIND_MS = 5_000;
/** A clock that is being set right, as after a machine's own start, gets so long. */
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 200;

/** No server starts by the clock of this machine: it would judge by it what has ended already (I18). */
export class ClockRefused extends Error {
  override readonly name = 'ClockRefused';
}

/**
 * What a process does before it commits anything: it holds its clock against the highest time that was committed, and against the
 * database's own clock. A little behind, it takes the later time for the present. Further behind, it waits for the clock to be set.
 *
 * @throws {ClockRefused} when it is still wrong after half a minute
 */
export async function agreeOnTime(
  { clock, monotonic, onWait }: AgreeingDeps,
  { lastCommittedAt, clockProblem }: KeptTimes,
): Promise<void> {
  const since = monotonic();
  let isTold = false;
  for (;;) {
    // Nothing rests on this process's time yet, so a clock that has been set is believed at once.
    clock.acceptWall();
    const why = whyBehind(clock.now(), lastCommittedAt) ?? clockProblem();
    if (why === undefined) break;
    if (monotonic() - since >= PATIENCE_MS) throw new ClockRefused(`No server starts: ${why}`);
    if (!isTold) onWait(why);
    isTold = true;
    await delay(LOOK_EVERY_MS);
  }
  if (lastCommittedAt !== undefined) clock.raiseTo(lastCommittedAt);
}

/**
 * Why no server may start by a clock, in words, with the ways out; undefined where one may.
 *
 * @param wallMs what the clock says, in milliseconds since the epoch
 */
export function whyBehind(wallMs: number, lastCommittedAt: number | undefined): string | undefined {
  const behindMs = (lastCommittedAt ?? wallMs) - wallMs;
  if (lastCommittedAt === undefined || behindMs <= MAX_BEHIND_MS) return undefined;
  return `the clock of this machine says ${showTime(wallMs)}, and ${showTime(lastCommittedAt)} was committed last: it is ${showSpan(behindMs)} behind, and what has ended would live again. If the clock is wrong, set it right (see timedatectl). If it is right, and was ahead before, countersign clock accept goes by it from now on, and ends every token and session.`;
}

function showTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** In the two largest units. */
export function showSpan(ms: number): string {
  let left = Math.ceil(ms / 1_000);
  const parts: string[] = [];
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(left / seconds);
    left -= count * seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(' ') || '0 s';
}
