/** What the server costs before it does anything: how soon it is ready, and how much memory it holds. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { newClientKey } from './client-key.ts';
import { freePort, isReady, MAIN } from './countersign.ts';
import { median } from './report.ts';
import { type ServerName, startBase as startBaseProcess } from './servers.ts';

export interface Footprint {
  /** From starting the process to its first answer, in milliseconds; the median of several starts. */
  readonly readyMs: Readonly<Record<ServerName, number>>;
  /** Resident memory of the process with nothing to do, in MiB. */
  readonly idleMiB: Readonly<Record<ServerName, number>>;
}

interface Start {
  readonly readyMs: number;
  readonly idleMiB: number;
}

const STARTS = 5;
const SETTLE_MS = 1_000;
const POLL_MS = 2;
const PATIENCE_MS = 30_000;

/**
 * Starts each server several times. Countersign is started as in real use, on a store that it had made the time before.
 *
 * @param parentDirectory where the servers keep what they store
 */
export async function measureFootprint(parentDirectory: string): Promise<Footprint> {
  const directory = await mkdtemp(join(parentDirectory, 'start-'));
  try {
    await startCountersign(directory);
    const countersign: Start[] = [];
    const base: Start[] = [];
    for (let start = 0; start < STARTS; start += 1) {
      countersign.push(await startCountersign(directory));
      base.push(await startBase(parentDirectory));
    }
    const of = (figure: keyof Start) => ({
      countersign: median(countersign.map(each => each[figure])),
      base: median(base.map(each => each[figure])),
    });
    return { readyMs: of('readyMs'), idleMiB: of('idleMiB') };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function startCountersign(directory: string): Promise<Start> {
  const port = await freePort();
  const startedAt = performance.now();
  const child = spawn(process.execPath, [MAIN], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      COUNTERSIGN_PORT: String(port),
      COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
      COUNTERSIGN_DATA_DIR: directory,
    },
  });
  try {
    while (!(await isReady(port))) {
      if (performance.now() - startedAt > PATIENCE_MS || child.exitCode !== null)
        throw new Error('the server does not get ready');
      await delay(POLL_MS);
    }
    const readyMs = performance.now() - startedAt;
    await delay(SETTLE_MS);
    return { readyMs, idleMiB: await residentMiB(child.pid) };
  } finally {
    const ended = once(child, 'exit');
    if (child.kill()) await ended;
  }
}

async function startBase(parentDirectory: string): Promise<Start> {
  const startedAt = performance.now();
  const clientKey = newClientKey().publicJwk;
  const server = await startBaseProcess({ name: 'base', parentDirectory, clientKey });
  await (await fetch(server.target.issuer + server.target.paths.jwks)).arrayBuffer();
  const readyMs = performance.now() - startedAt;
  await delay(SETTLE_MS);
  const idleMiB = (await server.use()).residentBytes / 2 ** 20;
  await server.stop();
  return { readyMs, idleMiB };
}

/** Linux only; elsewhere it is not known. */
async function residentMiB(pid: number | undefined): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}
