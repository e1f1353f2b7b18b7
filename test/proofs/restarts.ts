/**
 * Starts a server and ends it at a random point, again and again: during its first start, its migrations, its other starts, and at
 * work. Whatever was interrupted, the next start opens the store, knows what was acknowledged, and is not quarantined.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { storeTrail, verifyTrail } from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import { openForWriting } from '../../src/store/sqlite/database.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { migrate, SCHEMA_VERSION } from '../../src/store/sqlite/migrations.ts';
import { freePort } from '../support/server-process.ts';

export interface RestartOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Told after each round. */
  readonly onRound?: (round: number) => void;
}

export interface RestartReport {
  readonly rounds: number;
  readonly seed: number;
  /** Rounds that ended before the server was ready. */
  readonly interruptedStarts: number;
  readonly firstStarts: number;
  readonly migrations: number;
  /** Of the starts that were waited for. */
  readonly ready: number;
  readonly bootP50Ms: number;
  readonly bootP95Ms: number;
  readonly bootMaxMs: number;
}

/** What a round does. */
interface Round {
  /** A new directory: empty, or with a store of an older schema. */
  readonly ground: 'as-it-is' | 'empty' | 'older-schema';
  readonly olderSchema: number;
  /** Ends it this long after its start, or once it has been ready for this long. */
  readonly when: 'during-start' | 'at-work';
  /** 0 to 1 of what is possible. */
  readonly moment: number;
  readonly signal: 'SIGTERM' | 'SIGKILL';
  /** Looks into the store between this round and the next, which otherwise finds it as it was left. */
  readonly looksInside: boolean;
}

const anyRound: fc.Arbitrary<Round> = fc.record({
  ground: fc.oneof(
    { weight: 6, arbitrary: fc.constant('as-it-is' as const) },
    { weight: 1, arbitrary: fc.constant('empty' as const) },
    { weight: 1, arbitrary: fc.constant('older-schema' as const) },
  ),
  olderSchema: fc.integer({ min: 1, max: Math.max(1, SCHEMA_VERSION - 1) }),
  when: fc.oneof(
    { weight: 3, arbitrary: fc.constant('during-start' as const) },
    { weight: 1, arbitrary: fc.constant('at-work' as const) },
  ),
  moment: fc.double({ min: 0, max: 1, noNaN: true }),
  signal: fc.constantFrom('SIGTERM', 'SIGKILL'),
  looksInside: fc.boolean(),
});

/** At work, for this long at most. */
const MAX_WORK_MS = 150;

/** @throws {Error} when a start fails, or something acknowledged is lost */
export async function restartAtRandom({ rounds, seed, onRound }: RestartOptions): Promise<RestartReport> {
  const parent = await mkdtemp(join(tmpdir(), 'countersign-restarts-'));
  const port = await freePort();
  const boots: number[] = [];
  let interruptedStarts = 0;
  let directories = 0;
  let firstStarts = 0;
  let migrations = 0;
  let directory = '';
  /** An administrator's token that was acknowledged in this directory. */
  let acknowledged: string | undefined;
  try {
    const plan = fc.sample(anyRound, { numRuns: rounds, seed });
    for (const [index, round] of plan.entries()) {
      const where = `round ${index}, seed ${seed}, ${JSON.stringify(round)}`;
      if (index === 0 || round.ground !== 'as-it-is') {
        if (directory !== '') await rm(directory, { recursive: true, force: true });
        directories += 1;
        directory = join(parent, String(directories));
        acknowledged = undefined;
        await mkdir(directory);
        if (round.ground === 'older-schema') {
          migrations += 1;
          const database = openForWriting(join(directory, 'countersign.sqlite'));
          migrate(database, round.olderSchema);
          database.close();
        } else firstStarts += 1;
      }
      const isLast = index === plan.length - 1;
      const server = launch(directory, port);
      const typicalBootMs = percentile(boots, 0.5) || 700;
      if (round.when === 'during-start' && !isLast) {
        await Promise.race([delay(round.moment * typicalBootMs), server.ready]);
        if (!server.isReady()) interruptedStarts += 1;
      } else {
        boots.push(await withIn(server.ready, 30_000, `${where}: it does not start\n${server.output()}`));
        acknowledged = await work(port, directory, acknowledged, where);
        await delay(round.moment * MAX_WORK_MS);
      }
      await end(server, isLast ? 'SIGTERM' : round.signal, where);
      if (round.looksInside || isLast) await lookInside(directory, where);
      onRound?.(index + 1);
    }
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
  return {
    rounds,
    seed,
    interruptedStarts,
    firstStarts,
    migrations,
    ready: boots.length,
    bootP50Ms: percentile(boots, 0.5),
    bootP95Ms: percentile(boots, 0.95),
    bootMaxMs: percentile(boots, 1),
  };
}

function launch(directory: string, port: number) {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: {
      PATH: process.env['PATH'],
      COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
      COUNTERSIGN_DATA_DIR: directory,
      COUNTERSIGN_PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ready = Promise.withResolvers<number>();
  let isReady = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += String(chunk);
      if (isReady || !output.includes('"msg":"ready"')) return;
      isReady = true;
      ready.resolve(performance.now() - startedAt);
    });
  }
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, ready: ready.promise, isReady: () => isReady, ended, output: () => output };
}

async function end(
  { child, ended, output, isReady }: ReturnType<typeof launch>,
  signal: NodeJS.Signals,
  where: string,
): Promise<void> {
  if (child.exitCode !== null) throw new Error(`${where}: it ended by itself\n${output()}`);
  const wasReady = isReady();
  child.kill(signal);
  const [code, by] = await ended;
  // Until it listens for signals one ends it as a kill does.
  const isFine = signal === 'SIGKILL' ? by === signal : code === 0 || (!wasReady && by === signal);
  if (!isFine) throw new Error(`${where}: it ended with ${code ?? by}\n${output()}`);
}

/** The server answers, is open, and still knows the token that was acknowledged before. @returns a token for the next time */
async function work(
  port: number,
  directory: string,
  acknowledged: string | undefined,
  where: string,
): Promise<string> {
  const base = `http://localhost:${port}`;
  const ready = await fetch(`${base}/readyz`);
  if (ready.status !== 200) throw new Error(`${where}: ${await ready.text()}`);
  if (acknowledged !== undefined) {
    const headers = { Authorization: `Bearer ${acknowledged}` };
    const { status } = await fetch(`${base}/api/v1/agents`, { headers });
    if (status !== 200) throw new Error(`${where}: an acknowledged token is lost: ${status}`);
  }
  const file = await readFile(join(directory, 'bootstrap-client.json'), 'utf8');
  const { client_id, client_secret } = JSON.parse(file) as Record<string, string>;
  const answer = await fetch(`${base}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret } as never),
  });
  const token = (await answer.json()) as { access_token?: string };
  if (token.access_token === undefined) throw new Error(`${where}: no token: ${JSON.stringify(token)}`);
  return token.access_token;
}

async function lookInside(directory: string, where: string): Promise<void> {
  const path = join(directory, 'countersign.sqlite');
  const store = await openSqliteStore(path, { now: Date.now, lane: newId('lane', Date.now()) });
  try {
    if (!(await verifyTrail(storeTrail(store))).isIntact) throw new Error(`${where}: the trail is damaged`);
  } finally {
    await store.close();
  }
}

async function withIn<T>(work: Promise<T>, ms: number, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
}
