import { join } from 'node:path';
import { newClientKey } from './client-key.ts';
import { drive } from './load-generator.ts';
import { SERVER_NAMES, type ServerName, type ServerProcess, startServerProcess } from './servers.ts';
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
const WARM_UP_REQUESTS = 20_000;

export type Rounds = Readonly<Record<ServerName, readonly Round[]>>;

export interface MeasureOptions {
  readonly connections: number;
  readonly rounds: number;
  readonly liveTokens: number;
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
export async function measure(work: Work, options: MeasureOptions): Promise<Rounds> {
  const clientKey = newClientKey();
  const servers: ServerProcess[] = [];
  try {
    for (const name of SERVER_NAMES) {
      servers.push(
        await startServerProcess(name, {
          parentDirectory: options.directory,
          clientKey: clientKey.publicJwk,
          profileDirectory: options.profileDirectory && join(options.profileDirectory, work.name),
        }),
      );
    }
    const count = Math.ceil(work.requestsPerRound * options.share);
    const scenes: Scene[] = [];
    for (const server of servers) {
      const liveTokens = work.needsLiveTokens
        ? shuffle(await issueTokens(server.target, options.liveTokens, options.connections))
        : [];
      const scene = { server, clientKey, connections: options.connections, liveTokens, asked: 0 };
      scenes.push(scene);
      await runRound(work, scene, WARM_UP_REQUESTS);
    }
    const rounds: Record<ServerName, Round[]> = { countersign: [], base: [] };
    for (let number = 1; number <= options.rounds; number += 1) {
      const said: string[] = [];
      for (const scene of scenes) {
        const round = await runRound(work, scene, count);
        rounds[scene.server.name].push(round);
        said.push(`${scene.server.name} ${round.cpuMicroseconds.toFixed(0)} µs`);
      }
      options.onProgress(`  round ${number} of ${options.rounds}: ${said.join(', ')} of CPU a request`);
    }
    return rounds;
  } finally {
    await Promise.all(servers.map(server => server.stop()));
  }
}

async function runRound(work: Work, scene: Scene, count: number): Promise<Round> {
  const requests = await work.requests(scene, count);
  const before = await scene.server.cpuMicroseconds();
  const { seconds, latenciesMs } = await drive(requests, scene.connections);
  const used = (await scene.server.cpuMicroseconds()) - before;
  return {
    cpuMicroseconds: used / count,
    requestsPerSecond: count / seconds,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  };
}

/** The nearest rank. */
function quantile(ascending: Float64Array, share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.ceil(share * ascending.length) - 1)] ?? Number.NaN;
}
