import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { adminToken, post } from './admin-api.ts';
import { newClientKey } from './client-key.ts';
import { type CostsByConnections, describeCosts, type RoundCosts } from './cost-centres.ts';
import { drive } from './load-generator.ts';
import type { Admin, ServerProcess, ServerProcessOptions, Use } from './servers.ts';
import { readThreadTimes, usedBetween } from './thread-times.ts';
import { type BaseWork, issueTokens, type MakeRequests, type Scene, shuffle, type Work } from './works.ts';

/** What one server did in one round. */
export interface Round {
  /** User and system time of the server process for one request, all its threads. */
  readonly cpuMicroseconds: number;
  /** The same of the database, where it is a process of its own and its time is known. */
  readonly databaseCpuMicroseconds?: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How many requests were sent again, since they were answered 503; that is within the other figures. */
  readonly repeated?: number;
}

/**
 * Requests before the first round, even where rounds are small: until then the compiler is at work, and costs either server a
 * quarter more.
 */
const WARM_UP_REQUESTS = 40_000;
const QUICK_WARM_UP_REQUESTS = 8_000;
/** One request at a time is slow, and needs fewer to be sure. */
const FEW_CONNECTIONS = 4;
const SHARE_OF_FEW = 0.2;
const KILL_PAUSE_MS = 50;

/** How each server that is compared is started, by what it is called. */
export type Starts<Name extends string> = Readonly<
  Record<Name, (options: ServerProcessOptions) => Promise<ServerProcess>>
>;

/** What a server is made to do, where that is not what the work says. */
export type Instead<Name extends string> = Readonly<Partial<Record<Name, BaseWork>>>;

export interface Rounds<Name extends string> {
  readonly connections: number;
  /** Those of one server stand beside those of the other. */
  readonly of: Readonly<Record<Name, readonly Round[]>>;
  readonly costs: Readonly<Record<Name, readonly RoundCosts[]>>;
}

/** What a work took. */
export interface Measurement<Name extends string> {
  readonly rounds: readonly Rounds<Name>[];
  /** Resident memory of each server when all was done, in MiB. */
  readonly residentMiB: Readonly<Record<Name, number>>;
}

export interface MeasureOptions {
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly liveTokens: number;
  readonly isQuick: boolean;
  /** The measured size of a round is this share of the work's own. */
  readonly share: number;
  /** Where the servers keep what they store. */
  readonly directory: string;
  /** Profiles go there, by work and server; none are made without it. */
  readonly profileDirectory?: string | undefined;
  readonly onProgress: (line: string) => void;
  /** Takes the tables of each server, where there are profiles. */
  readonly onCosts: (tables: string) => void;
}

/** A server cannot do a work at all. */
export class CannotDo extends Error {
  readonly server: string;
  readonly reason: string;

  constructor(server: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${server} cannot do it: ${reason}`, { cause });
    this.server = server;
    this.reason = reason;
  }
}

/**
 * Measures a work: a fresh process of each server, so that no work pays for what another has left behind; tokens, where it needs
 * them; a warm-up; then rounds in turn, each begun by the other server than the one before, so that a noisy neighbour meets both.
 *
 * @throws {CannotDo} when the very first request of a server does not get the right answer, and it runs on
 * @throws when any later answer is not the right one, or a thread of a server leaves no profile
 */
export async function measure<Name extends string>(
  work: Work,
  starts: Starts<Name>,
  options: MeasureOptions,
  instead?: Instead<Name>,
): Promise<Measurement<Name>> {
  const clientKey = newClientKey();
  const names = Object.keys(starts) as Name[];
  const servers: ServerProcess[] = [];
  const profilesOf = (name: Name): string | undefined =>
    options.profileDirectory && join(options.profileDirectory, work.name, name);
  let measured: Measurement<Name>;
  try {
    const scenes: NamedScene<Name>[] = [];
    for (const name of names) {
      const server = await starts[name]({
        name,
        parentDirectory: options.directory,
        clientKey: clientKey.publicJwk,
        crowd: work.crowd ?? 0,
        // One more for the try.
        spares: work.kills ? work.kills * options.rounds * options.connections.length + 1 : 0,
        profileDirectory: profilesOf(name),
      });
      servers.push(server);
      const requests = instead?.[name]?.requests ?? work.requests;
      scenes.push({ name, requests, server, clientKey, connections: 64, liveTokens: [], asked: 0 });
    }
    for (const scene of scenes) await tryOnce(work, scene);
    const ready: NamedScene<Name>[] = [];
    for (const scene of scenes) {
      const live = instead?.[scene.name]?.liveTokens ?? work.liveTokens ?? 0;
      const wanted = live === 'as-told' ? options.liveTokens : live;
      ready.push({ ...scene, liveTokens: shuffle(await issueTokens(scene.server.target, wanted, 64)) });
    }
    const rounds: Rounds<Name>[] = [];
    for (const connections of options.connections) {
      const here = ready.map(scene => ({ ...scene, connections }));
      rounds.push(await measureAt(connections, work, here, options));
    }
    const residentMiB = {} as Record<Name, number>;
    for (const { name, server } of ready) residentMiB[name] = (await server.use()).residentBytes / 2 ** 20;
    measured = { rounds, residentMiB };
  } finally {
    await Promise.all(servers.map(server => server.stop()));
  }
  // Profiles are written when their server ends.
  for (const [index, name] of names.entries()) {
    const directory = profilesOf(name);
    if (directory === undefined) continue;
    const costs: CostsByConnections = new Map(
      measured.rounds.map(each => [each.connections, each.costs[name]]),
    );
    const { pid } = servers[index] as ServerProcess;
    options.onCosts(await describeCosts({ work: work.name, server: name }, pid, directory, costs));
  }
  return measured;
}

interface NamedScene<Name extends string> extends Scene {
  readonly name: Name;
  readonly requests: MakeRequests;
}

/** One request, so that what a server does not know is told from what goes wrong. */
async function tryOnce(work: Work, scene: NamedScene<string>): Promise<void> {
  const { name, server } = scene;
  try {
    const liveTokens = work.liveTokens === undefined ? [] : await issueTokens(server.target, 1, 1);
    await drive(await scene.requests({ ...scene, liveTokens, connections: 1 }, 1), 1);
    if (work.kills && server.target.admin) await kill(server, await tokenFor(server));
  } catch (error) {
    // One that has ended has failed.
    await server.use();
    throw new CannotDo(name, error);
  }
}

async function measureAt<Name extends string>(
  connections: number,
  work: Work,
  scenes: readonly NamedScene<Name>[],
  options: MeasureOptions,
): Promise<Rounds<Name>> {
  const share = connections < FEW_CONNECTIONS ? SHARE_OF_FEW : 1;
  const alone = connections === 1 ? work.requestsAlone : undefined;
  const count = Math.ceil((alone ?? work.requestsPerRound * share) * options.share);
  const warmUp = Math.min(
    work.warmUpRequests ?? Number.POSITIVE_INFINITY,
    options.isQuick ? QUICK_WARM_UP_REQUESTS : WARM_UP_REQUESTS,
  );
  for (const scene of scenes) await runRound({ ...work, kills: 0 }, scene, Math.ceil(warmUp * share));
  const rounds = {} as Record<Name, Round[]>;
  const costs = {} as Record<Name, RoundCosts[]>;
  for (const { name } of scenes) {
    rounds[name] = [];
    costs[name] = [];
  }
  for (let number = 1; number <= options.rounds; number += 1) {
    const inTurn = number % 2 === 1 ? scenes : scenes.toReversed();
    for (const scene of inTurn) {
      const { round, costs: roundCosts } = await runRound(work, scene, count);
      rounds[scene.name].push(round);
      costs[scene.name].push(roundCosts);
    }
    const said = scenes.map(({ name }) => renderRound(name, rounds[name].at(-1) as Round));
    options.onProgress(
      `  ${connections} connections, round ${number} of ${options.rounds}: ${said.join(', ')} of CPU a request`,
    );
  }
  return { connections, of: rounds, costs };
}

async function runRound(
  work: Work,
  scene: NamedScene<string>,
  count: number,
): Promise<{ readonly round: Round; readonly costs: RoundCosts }> {
  const { server } = scene;
  const requests = await scene.requests(scene, count);
  const token = work.kills && server.target.admin ? await tokenFor(server) : undefined;
  const before = await server.use();
  const threadsBefore = await readThreadTimes(server.pid);
  const from = monotonicMicroseconds();
  const killing = work.kills && token !== undefined ? startKilling(server, work.kills, token) : undefined;
  const { seconds, latenciesMs, repeated } = await drive(requests, scene.connections);
  await killing?.stop();
  const to = monotonicMicroseconds();
  const threadsAfter = await readThreadTimes(server.pid);
  if (repeated > 0 && !server.mayBeUnavailable)
    throw new Error(`${scene.name} answered ${repeated} times 503`);
  const after = await server.use();
  const cpuMicroseconds = (after.cpuMicroseconds - before.cpuMicroseconds) / count;
  return {
    round: {
      cpuMicroseconds,
      ...databaseUse(before, after, count),
      requestsPerSecond: count / seconds,
      p50Ms: quantile(latenciesMs, 0.5),
      p99Ms: quantile(latenciesMs, 0.99),
      ...(repeated > 0 && { repeated }),
    },
    costs: {
      from,
      to,
      requests: count,
      cpuMicroseconds,
      threads: threadsBefore && threadsAfter && usedBetween(threadsBefore, threadsAfter),
    },
  };
}

/** On the clock of CPU profiles, which is one for all processes of the machine. */
function monotonicMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

function renderRound(name: string, { cpuMicroseconds, repeated }: Round): string {
  const again = repeated === undefined ? '' : ` (${repeated} sent again after 503)`;
  return `${name} ${cpuMicroseconds.toFixed(0)} µs${again}`;
}

function databaseUse(
  { databaseCpuMicroseconds: before }: Use,
  { databaseCpuMicroseconds: after }: Use,
  count: number,
): Pick<Round, 'databaseCpuMicroseconds'> {
  return before === undefined || after === undefined
    ? {}
    : { databaseCpuMicroseconds: (after - before) / count };
}

function tokenFor({ target }: ServerProcess): Promise<string> {
  return adminToken({ ...target, admin: target.admin as Admin });
}

/** @returns whether there was anybody left to kill */
async function kill({ target }: ServerProcess, token: string): Promise<boolean> {
  const id = target.admin?.spares.pop();
  if (id === undefined) return false;
  await post(target.issuer, `agents/${id}/kill`, undefined, token);
  return true;
}

/** Kills spare agents one after the other until it is stopped, or so many are dead. */
function startKilling(server: ServerProcess, most: number, token: string): { stop(): Promise<void> } {
  let isStopping = false;
  const work = (async () => {
    for (let killed = 0; killed < most && !isStopping; killed += 1) {
      if (!(await kill(server, token))) return;
      await delay(KILL_PAUSE_MS);
    }
  })();
  // Whoever stops it hears of its failure.
  work.catch(() => undefined);
  return {
    stop: () => {
      isStopping = true;
      return work;
    },
  };
}

/** The nearest rank. */
export function quantile(ascending: Float64Array, share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.ceil(share * ascending.length) - 1)] ?? Number.NaN;
}
