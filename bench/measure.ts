import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { newClientKey } from './client-key.ts';
import { drive } from './load-generator.ts';
import {
  SERVER_NAMES,
  type ServerName,
  type ServerProcess,
  startServerProcess,
  type Target,
} from './servers.ts';
import { issueTokens, type Scene, shuffle, type Work } from './works.ts';

/** What one server did in one round. */
export interface Round {
  /** User and system time of the server process for one request, all its threads. */
  readonly cpuMicroseconds: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
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

export interface Rounds extends Readonly<Record<ServerName, readonly Round[]>> {
  readonly connections: number;
}

/** What a work took. */
export interface Measurement {
  readonly rounds: readonly Rounds[];
  /** Resident memory of each server when all was done, in MiB. */
  readonly residentMiB: Readonly<Record<ServerName, number>>;
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
  readonly profileDirectory?: string | undefined;
  readonly onProgress: (line: string) => void;
}

/**
 * Measures a work: a fresh process of each server, so that no work pays for what another has left behind; tokens, where it needs
 * them; a warm-up; then rounds in turn, so that a noisy neighbour meets both.
 *
 * @throws when any answer is not the right one
 */
export async function measure(work: Work, options: MeasureOptions): Promise<Measurement> {
  const clientKey = newClientKey();
  const servers: ServerProcess[] = [];
  try {
    for (const name of SERVER_NAMES) {
      servers.push(
        await startServerProcess(name, {
          parentDirectory: options.directory,
          clientKey: clientKey.publicJwk,
          crowd: work.crowd ?? 0,
          spares: (work.kills ?? 0) * options.rounds * options.connections.length,
          profileDirectory: options.profileDirectory && join(options.profileDirectory, work.name),
        }),
      );
    }
    const scenes: Scene[] = [];
    for (const server of servers) {
      const wanted = work.liveTokens === 'as-told' ? options.liveTokens : (work.liveTokens ?? 0);
      const liveTokens = shuffle(await issueTokens(server.target, wanted, 64));
      scenes.push({ server, clientKey, connections: 64, liveTokens, asked: 0 });
    }
    const rounds: Rounds[] = [];
    for (const connections of options.connections) {
      const here = scenes.map(scene => ({ ...scene, connections }));
      rounds.push(await measureAt(connections, work, here, options));
    }
    const resident = await Promise.all(
      servers.map(async server => (await server.use()).residentBytes / 2 ** 20),
    );
    return {
      rounds,
      residentMiB: { countersign: resident[0] ?? Number.NaN, base: resident[1] ?? Number.NaN },
    };
  } finally {
    await Promise.all(servers.map(server => server.stop()));
  }
}

async function measureAt(
  connections: number,
  work: Work,
  scenes: readonly Scene[],
  options: MeasureOptions,
): Promise<Rounds> {
  const share = connections < FEW_CONNECTIONS ? SHARE_OF_FEW : 1;
  const count = Math.ceil(work.requestsPerRound * options.share * share);
  const warmUp = options.isQuick ? QUICK_WARM_UP_REQUESTS : WARM_UP_REQUESTS;
  for (const scene of scenes) await runRound({ ...work, kills: 0 }, scene, Math.ceil(warmUp * share));
  const rounds: Record<ServerName, Round[]> = { countersign: [], base: [] };
  for (let number = 1; number <= options.rounds; number += 1) {
    const said: string[] = [];
    for (const scene of scenes) {
      const round = await runRound(work, scene, count);
      rounds[scene.server.name].push(round);
      said.push(`${scene.server.name} ${round.cpuMicroseconds.toFixed(0)} µs`);
    }
    options.onProgress(
      `  ${connections} connections, round ${number} of ${options.rounds}: ${said.join(', ')} of CPU a request`,
    );
  }
  return { connections, ...rounds };
}

async function runRound(work: Work, scene: Scene, count: number): Promise<Round> {
  const requests = await work.requests(scene, count);
  const { spares } = scene.server.target;
  const before = await scene.server.use();
  const killing = work.kills && spares ? startKilling(spares, work.kills) : undefined;
  const { seconds, latenciesMs } = await drive(requests, scene.connections);
  await killing?.stop();
  const after = await scene.server.use();
  return {
    cpuMicroseconds: (after.cpuMicroseconds - before.cpuMicroseconds) / count,
    requestsPerSecond: count / seconds,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  };
}

/** Kills spare agents one after the other until it is stopped, or so many are dead. */
function startKilling(
  { token, killUrls }: NonNullable<Target['spares']>,
  most: number,
): { stop(): Promise<void> } {
  let isStopping = false;
  const work = (async () => {
    for (let killed = 0; killed < most && !isStopping; killed += 1) {
      const url = (killUrls as string[]).pop();
      if (url === undefined) return;
      const answer = await fetch(url, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`a kill was answered with ${answer.status}`);
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
