/** CPU profiles as Node writes them (`--cpu-prof`), and the time that is in their samples. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallFrame, centreOf, PROGRAM, placeOf } from './centres.ts';

/** Times are microseconds of the machine's monotonic clock, which `process.hrtime` reads too, in any process. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  readonly endTime: number;
  /** The node that was found at work, at each sample. */
  readonly samples: readonly number[];
  /** From the sample before, or the start, to each. */
  readonly timeDeltas: readonly number[];
}

/** A while on the monotonic clock, in microseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Microseconds by what they were spent on; being idle is left out. */
export interface SampledTime {
  readonly centres: ReadonlyMap<string, number>;
  /** By name and place. */
  readonly functions: ReadonlyMap<string, number>;
  readonly microseconds: number;
}

interface Spent {
  readonly centre: string;
  /** Absent where no function was at work. */
  readonly function?: string;
}

const IDLE = '(idle)';
const GARBAGE = '(garbage collector)';

/** Sums up the samples that lie within the spans. */
export function sampledTime(profile: CpuProfile, spans: readonly Span[]): SampledTime {
  const spentOn = whatNodesAre(profile);
  const centres = new Map<string, number>();
  const functions = new Map<string, number>();
  let microseconds = 0;
  let at = profile.startTime;
  for (const [index, id] of profile.samples.entries()) {
    const since = at;
    at += profile.timeDeltas[index] as number;
    const span = spans.find(({ from, to }) => from <= at && at <= to);
    const spent = spentOn.get(id);
    if (span === undefined || spent === undefined) continue;
    // The time before a sample is its own, not that after it: a thread that waits for the disk is sampled when the wait is over.
    const time = at - Math.max(since, span.from);
    add(centres, spent.centre, time);
    if (spent.function !== undefined) add(functions, spent.function, time);
    microseconds += time;
  }
  return { centres, functions, microseconds };
}

/** What each node is, but for those that are idle. A native function belongs to whose code has called it. */
function whatNodesAre({ nodes }: CpuProfile): ReadonlyMap<number, Spent> {
  const byId = new Map(nodes.map(node => [node.id, node]));
  const spent = new Map<number, Spent>();
  const open: { readonly id: number; readonly caller: CallFrame | undefined }[] = [];
  const root = nodes[0];
  if (root) open.push({ id: root.id, caller: undefined });
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const node = byId.get(next.id);
    if (node === undefined) continue;
    const { callFrame, children = [] } = node;
    const code = callFrame.url === '' ? next.caller : callFrame;
    if (callFrame.functionName !== IDLE) spent.set(next.id, describe(callFrame, code));
    for (const id of children) open.push({ id, caller: code });
  }
  return spent;
}

function describe(frame: CallFrame, code: CallFrame | undefined): Spent {
  if (frame.functionName === GARBAGE) return { centre: 'garbage collection' };
  if (code === undefined || frame.functionName === PROGRAM) return { centre: PROGRAM };
  const name = nameOf(frame);
  return {
    centre: centreOf(code.url),
    function: frame === code ? `${name}, ${placeOf(code)}` : `${name} in ${nameOf(code)}, ${placeOf(code)}`,
  };
}

function nameOf({ functionName }: CallFrame): string {
  return functionName || '(anonymous)';
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

/** The profile of one thread. */
export interface ThreadProfile {
  /** 0 is the main one. */
  readonly thread: number;
  readonly profile: CpuProfile;
}

/**
 * Reads what the threads of an ended process have left.
 *
 * @param workers how many threads it had beside its main one
 * @throws {Error} when one is missing, and which
 */
export async function readProfiles(
  directory: string,
  pid: number,
  workers: number,
): Promise<readonly ThreadProfile[]> {
  // CPU.date.time.pid.thread.sequence.cpuprofile; the directory may have those of earlier runs.
  const name = new RegExp(`^CPU\\.\\d+\\.\\d+\\.${pid}\\.(\\d+)\\.\\d+\\.cpuprofile$`);
  const files = new Map<number, string>();
  for (const file of (await readdir(directory).catch(() => [])).sort()) {
    const thread = name.exec(file)?.[1];
    if (thread !== undefined) files.set(Number(thread), file);
  }
  for (let thread = 0; files.size <= workers || !files.has(0); thread += 1) {
    if (files.has(thread)) continue;
    throw new Error(
      `the CPU profile of thread ${thread} is missing: ${directory}/CPU.*.${pid}.${thread}.*.cpuprofile`,
    );
  }
  const profiles: ThreadProfile[] = [];
  for (const [thread, file] of [...files].sort(([a], [b]) => a - b)) {
    profiles.push({
      thread,
      profile: JSON.parse(await readFile(join(directory, file), 'utf8')) as CpuProfile,
    });
  }
  return profiles;
}
