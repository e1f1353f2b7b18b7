/**
 * What a slow disk does to introspection. Every fsync of the server is made to take 5 ms longer, while tokens are being issued:
 * introspection only reads, so it should hardly notice.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newClientKey } from './client-key.ts';
import { MAIN, startCountersign } from './countersign.ts';
import { drive } from './load-generator.ts';
import { quantile } from './measure.ts';
import { median } from './report.ts';
import type { ServerProcess } from './servers.ts';
import { findWork, issueTokens, shuffle } from './works.ts';

export interface SlowDisk {
  /** 99th percentile of introspection while tokens are issued, in milliseconds, on the disk as it is. */
  readonly quietP99Ms: number;
  /** The same while every fsync takes `addedMs` longer. */
  readonly slowP99Ms: number;
  readonly addedMs: number;
}

const ADDED_MS = 5;
const CONNECTIONS = 16;
const LIVE_TOKENS = 20_000;
const INTROSPECTIONS = 15_000;
const ROUNDS = 3;

/** Put before the C library: waits, then does what was asked for. */
const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_longer(void) {
  struct timespec added = { 0, ${ADDED_MS} * 1000000L };
  nanosleep(&added, 0);
}
int fsync(int fd) { wait_longer(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { wait_longer(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
`;

/** @returns undefined where there is no C compiler to make the disk slow with */
export async function measureSlowDisk(directory: string): Promise<SlowDisk | undefined> {
  const shim = await compileShim(directory);
  if (shim === undefined) return undefined;
  const quietP99Ms = await introspectionP99(directory, {});
  const slowP99Ms = await introspectionP99(directory, { LD_PRELOAD: shim });
  return { quietP99Ms, slowP99Ms, addedMs: ADDED_MS };
}

async function compileShim(directory: string): Promise<string | undefined> {
  const source = join(directory, 'slow-fsync.c');
  const library = join(directory, 'slow-fsync.so');
  await writeFile(source, SHIM);
  try {
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    return library;
  } catch {
    return undefined;
  }
}

async function introspectionP99(parentDirectory: string, env: NodeJS.ProcessEnv): Promise<number> {
  const clientKey = newClientKey();
  const server = await startCountersign(MAIN, {
    name: 'countersign',
    parentDirectory,
    clientKey: clientKey.publicJwk,
    env,
  });
  try {
    const liveTokens = shuffle(await issueTokens(server.target, LIVE_TOKENS, 64));
    const scene = { server, clientKey, connections: CONNECTIONS, liveTokens, asked: 0 };
    const p99s: number[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const requests = await findWork('W3').requests(scene, INTROSPECTIONS);
      const issuing = startIssuing(server);
      const { latenciesMs } = await drive(requests, CONNECTIONS);
      await issuing.stop();
      // The first is the warm-up.
      if (round > 0) p99s.push(quantile(latenciesMs, 0.99));
    }
    return median(p99s);
  } finally {
    await server.stop();
  }
}

/** Issues tokens over a few connections until it is stopped. */
function startIssuing(server: ServerProcess): { stop(): Promise<void> } {
  let isStopping = false;
  const work = (async () => {
    while (!isStopping) await issueTokens(server.target, 50, 8);
  })();
  return {
    stop: () => {
      isStopping = true;
      return work;
    },
  };
}
