/** CPU time by thread of the operating system, exact: Linux counts it for each. Elsewhere there is nothing to read. */
import { readdir, readFile } from 'node:fs/promises';

/** The threads of a process by their number, with what each has used since it began. */
export type ThreadTimes = ReadonlyMap<number, { readonly name: string; readonly nanoseconds: number }>;

/** What the threads of one name have used together within a while. */
export interface ThreadUse {
  readonly nanoseconds: number;
  /** How many there were at its end. */
  readonly count: number;
}

/** By name. */
export type ThreadUses = ReadonlyMap<string, ThreadUse>;

/** A worker thread of Node that was given no name. */
export const WORKER = 'worker threads';
const MAIN = 'main thread';

/** What Node 24 calls its threads, in words. */
const IN_WORDS: Readonly<Record<string, string>> = {
  WorkerThread: WORKER,
  'libuv-worker': "libuv's pool: files, scrypt, name service",
  V8Worker: "V8's workers: garbage collection, compiler",
  'v8:ProfEvntProc': 'the profiler itself',
  DelayedTaskSche: "V8's timers",
  SignalInspector: 'waits for a debugger',
};

/** @returns undefined where the system does not tell */
export async function readThreadTimes(pid: number): Promise<ThreadTimes | undefined> {
  const directory = `/proc/${pid}/task`;
  const times = new Map<number, { name: string; nanoseconds: number }>();
  for (const thread of await readdir(directory).catch(() => [])) {
    // One that has ended since it was listed has no files any more.
    const read = (file: string) => readFile(`${directory}/${thread}/${file}`, 'utf8').catch(() => undefined);
    const [comm, schedstat] = [await read('comm'), await read('schedstat')];
    if (comm === undefined || schedstat === undefined) continue;
    const id = Number(thread);
    const name = comm.trimEnd();
    times.set(id, {
      name: id === pid ? MAIN : (IN_WORDS[name] ?? name),
      nanoseconds: Number(schedstat.split(' ', 1)[0]),
    });
  }
  return times.size > 0 ? times : undefined;
}

/** Who began in between has used all that it has; who ended in between is not known any more, and left out. */
export function usedBetween(before: ThreadTimes, after: ThreadTimes): ThreadUses {
  const uses = new Map<string, ThreadUse>();
  for (const [id, { name, nanoseconds }] of after) {
    const then = before.get(id)?.nanoseconds ?? 0;
    const { nanoseconds: others, count } = uses.get(name) ?? { nanoseconds: 0, count: 0 };
    uses.set(name, {
      // Less than before: another thread has the number now.
      nanoseconds: others + nanoseconds - (then > nanoseconds ? 0 : then),
      count: count + 1,
    });
  }
  return uses;
}
