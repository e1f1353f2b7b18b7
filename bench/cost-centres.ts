/** `npm run bench -- --profile DIR`: where the time of a request goes, by thread of the server. */
import {
  type CpuProfile,
  readProfiles,
  type SampledTime,
  type Span,
  sampledTime,
  type ThreadProfile,
} from './cpu-profile.ts';
import { markdownTable, median } from './report.ts';
import { type ThreadUses, WORKER } from './thread-times.ts';

/** A measured round, as far as its costs are looked up afterwards. */
export interface RoundCosts extends Span {
  readonly requests: number;
  /** Of the whole process, for one request. */
  readonly cpuMicroseconds: number;
  /** Absent where the system does not tell. */
  readonly threads?: ThreadUses | undefined;
}

/** The rounds of one server, by the connections at which they were measured. */
export type CostsByConnections = ReadonlyMap<number, readonly RoundCosts[]>;

/** Smaller shares are summed. */
const LEAST_SHARE = 0.01;
const MOST_FUNCTIONS = 10;
/** What shows as nothing, in microseconds a request. */
const NOTHING = 0.005;

/** What the figures are, said once. */
export const COSTS_NOTE = `Microseconds a request, of the measured rounds alone. CPU by thread is the system's own count. What is sampled is wall time of a
thread that is not idle. Where it is more than the thread's CPU, the thread has waited: for the disk within a COMMIT, or for a
free processor. Where it is less, the rest is what libuv does outside JavaScript, such as reading sockets: that passes for idle.`;

/**
 * The tables of a server that has ended.
 *
 * @param name what they are headed with
 * @throws {Error} when a thread has left no profile, or the main thread one of another time
 */
export async function describeCosts(
  name: { readonly work: string; readonly server: string },
  pid: number,
  directory: string,
  costs: CostsByConnections,
): Promise<string> {
  const all = [...costs.values()].flat();
  const workers = all.map(({ threads }) => threads?.get(WORKER)?.count ?? 0);
  const profiles = await readProfiles(directory, pid, Math.max(0, ...workers));
  const main = profiles[0]?.profile;
  if (main && all.some(({ from, to }) => from < main.startTime || to > main.endTime)) {
    throw new Error(`the CPU profile of thread 0 of process ${pid} in ${directory} does not span the rounds`);
  }
  return [...costs]
    .map(([connections, rounds]) =>
      renderCosts(`${name.work} at ${connections} connections, ${name.server}`, rounds, profiles),
    )
    .join('\n\n');
}

/** The tables of some rounds: the threads of the system, then for each profile its centres and functions. */
export function renderCosts(
  title: string,
  rounds: readonly RoundCosts[],
  profiles: readonly ThreadProfile[],
): string {
  const requests = rounds.reduce((sum, round) => sum + round.requests, 0);
  const threads = threadMicroseconds(rounds);
  const cpu = median(rounds.map(round => round.cpuMicroseconds));
  return [
    `## ${title}: ${cpu.toFixed(1)} µs of CPU a request`,
    ...(threads === undefined ? [] : [renderThreads(threads, requests)]),
    ...profiles.flatMap(each => {
      // Several workers are told apart by their profiles alone.
      const name = each.thread === 0 ? 'main thread' : WORKER;
      const isOne = each.thread === 0 || profiles.length === 2;
      return renderThread(each, rounds, requests, isOne ? threads?.get(name) : undefined);
    }),
  ].join('\n\n');
}

/** The sum over the rounds, by thread; absent where one of them has none. */
function threadMicroseconds(rounds: readonly RoundCosts[]): ReadonlyMap<string, number> | undefined {
  const sums = new Map<string, number>();
  for (const { threads } of rounds) {
    if (threads === undefined) return undefined;
    for (const [name, { nanoseconds }] of threads)
      sums.set(name, (sums.get(name) ?? 0) + nanoseconds / 1_000);
  }
  return sums;
}

function renderThreads(threads: ReadonlyMap<string, number>, requests: number): string {
  const sum = sumOf(threads);
  return markdownTable([
    ['thread', 'CPU µs', 'share'],
    ...descending(threads)
      .filter(([, time]) => time / requests >= NOTHING)
      .map(([name, time]) => [name, perRequest(time, requests), percent(time / sum)]),
    ['all threads', perRequest(sum, requests), percent(1)],
  ]);
}

function renderThread(
  { thread, profile }: ThreadProfile,
  rounds: readonly Span[],
  requests: number,
  cpu: number | undefined,
): string[] {
  const sampled = sampledTime(profile, rounds);
  const measured = cpu === undefined ? '' : `, ${perRequest(cpu, requests)} µs of CPU`;
  const heading = `### ${nameThread(thread, profile)}: ${perRequest(sampled.microseconds, requests)} µs sampled${measured}`;
  if (sampled.microseconds === 0) return [heading];
  return [heading, renderCentres(sampled, requests), renderFunctions(sampled, requests)];
}

function renderCentres({ centres, microseconds }: SampledTime, requests: number): string {
  const isLarge = (time: number): boolean => time >= LEAST_SHARE * microseconds;
  const rows = descending(centres).filter(([, time]) => isLarge(time));
  const other = sumOf(centres) - sumOf(new Map(rows));
  return markdownTable([
    ['centre', 'µs a request', 'share'],
    ...[...rows, ...(other > 0 ? [['other', other] as const] : [])].map(([centre, time]) => [
      centre,
      perRequest(time, requests),
      percent(time / microseconds),
    ]),
  ]);
}

function renderFunctions({ functions, microseconds }: SampledTime, requests: number): string {
  return markdownTable([
    ['function, and where it is', 'µs a request', 'share'],
    ...descending(functions)
      .slice(0, MOST_FUNCTIONS)
      .map(([name, time]) => [name, perRequest(time, requests), percent(time / microseconds)]),
  ]);
}

/** The one that writes is known by its module. */
function nameThread(thread: number, { nodes }: CpuProfile): string {
  if (thread === 0) return 'main thread';
  const isWriting = nodes.some(({ callFrame }) =>
    callFrame.url.endsWith('/dist/src/store/sqlite/writer-thread.js'),
  );
  return isWriting ? 'writing thread' : `worker thread ${thread}`;
}

function descending(times: ReadonlyMap<string, number>): (readonly [string, number])[] {
  return [...times].sort(([, a], [, b]) => b - a);
}

function sumOf(times: ReadonlyMap<string, number>): number {
  return [...times.values()].reduce((sum, time) => sum + time, 0);
}

function perRequest(microseconds: number, requests: number): string {
  return (microseconds / requests).toFixed(2);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
