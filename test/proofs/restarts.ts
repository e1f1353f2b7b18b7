/**
 * Starts a server and ends it at a random point, again and again: during its first start, its migrations, its other starts, and at
 * work. Whatever was interrupted, the next start opens the store, knows what was acknowledged, and is not quarantined (I10).
 */
import assert from 'node:assert/strict';
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
import { CHILD_ENV } from '../support/child-env.ts';
import { freePort } from '../support/free-port.ts';
import { type HttpCaller, openCaller } from '../support/server-process.ts';
import { type ProofHost, percentile } from './proof.ts';

export interface RestartOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Told after each round. */
  readonly onRound?: (round: number) => void;
}

export interface RestartReport {
  /** Rounds that ended before the server was ready. */
  readonly interruptedStarts: number;
  readonly emptyDirectories: number;
  readonly migrations: number;
  /** Of the starts that were waited for: the first ones in a directory, with its migrations, and the others. */
  readonly firstBootsMs: readonly number[];
  readonly bootsMs: readonly number[];
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
/** What a start is taken to last until one was waited for. */
const ASSUMED_BOOT_MS = 700;

/** @throws {AssertionError} when a start fails, or something acknowledged is lost */
export async function restartAtRandom(
  host: ProofHost,
  { rounds, seed, onRound }: RestartOptions,
): Promise<RestartReport> {
  const parent = await mkdtemp(join(tmpdir(), 'countersign-restarts-'));
  host.teardown(() => rm(parent, { recursive: true, force: true }));
  let server: Launched | undefined;
  host.teardown(async () => {
    server?.child.kill('SIGKILL');
    await server?.ended;
  });
  const port = await freePort();
  const firstBootsMs: number[] = [];
  const bootsMs: number[] = [];
  let interruptedStarts = 0;
  let emptyDirectories = 0;
  let migrations = 0;
  let directory = '';
  let hasStarted = false;
  /** An administrator's token that was acknowledged in this directory. */
  let acknowledged: string | undefined;

  const plan = fc.sample(anyRound, { numRuns: rounds, seed });
  for (const [index, round] of plan.entries()) {
    const where = `round ${index}, seed ${seed}, ${JSON.stringify(round)}`;
    if (index === 0 || round.ground !== 'as-it-is') {
      if (directory !== '') await rm(directory, { recursive: true, force: true });
      directory = join(parent, String(index));
      acknowledged = undefined;
      hasStarted = false;
      await mkdir(directory);
      if (round.ground === 'older-schema') {
        migrations += 1;
        const database = openForWriting(join(directory, 'countersign.sqlite'));
        migrate(database, round.olderSchema);
        database.close();
      } else emptyDirectories += 1;
    }
    const isLast = index === plan.length - 1;
    server = launch(directory, port);
    const typicalBootMs = percentile(bootsMs, 0.5) || percentile(firstBootsMs, 0.5) || ASSUMED_BOOT_MS;
    if (round.when === 'during-start' && !isLast) {
      await Promise.race([delay(round.moment * typicalBootMs), server.ready]);
      if (!server.isReady()) interruptedStarts += 1;
    } else {
      (hasStarted ? bootsMs : firstBootsMs).push(await whenReady(server, where));
      hasStarted = true;
      const caller = openCaller(port, `http://localhost:${port}`);
      try {
        acknowledged = await work(caller, directory, acknowledged, where);
      } finally {
        caller.close();
      }
      await delay(round.moment * MAX_WORK_MS);
    }
    await end(server, isLast ? 'SIGTERM' : round.signal, where);
    if (round.looksInside || isLast) await lookInside(directory, where);
    onRound?.(index + 1);
  }
  return { interruptedStarts, emptyDirectories, migrations, firstBootsMs, bootsMs };
}

type Launched = ReturnType<typeof launch>;

function launch(directory: string, port: number) {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: {
      ...CHILD_ENV,
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

/** @returns after how many milliseconds it was */
function whenReady({ ready, ended, output }: Launched, where: string): Promise<number> {
  const failed = ended.then(([code, by]) =>
    assert.fail(`${where}: it does not start, and ended with ${code ?? by}\n${output()}`),
  );
  return Promise.race([ready, failed]);
}

async function end(
  { child, ended, output, isReady }: Launched,
  signal: NodeJS.Signals,
  where: string,
): Promise<void> {
  assert.ok(child.exitCode === null, `${where}: it ended by itself\n${output()}`);
  const wasReady = isReady();
  child.kill(signal);
  const [code, by] = await ended;
  // Until it listens for signals one ends it as a kill does.
  const isFine = signal === 'SIGKILL' ? by === signal : code === 0 || (!wasReady && by === signal);
  assert.ok(isFine, `${where}: it ended with ${code ?? by}\n${output()}`);
}

/** The server answers, is open, and still knows the token that was acknowledged before. @returns a token for the next time */
async function work(
  server: HttpCaller,
  directory: string,
  acknowledged: string | undefined,
  where: string,
): Promise<string> {
  await assertReady(server, where);
  if (acknowledged !== undefined) {
    const headers = { Authorization: `Bearer ${acknowledged}` };
    const { status } = await server.call('GET', '/api/v1/agents', { headers });
    assert.equal(status, 200, `${where}: an acknowledged token is lost`);
  }
  const file = await readFile(join(directory, 'bootstrap-client.json'), 'utf8');
  const { client_id, client_secret } = JSON.parse(file) as Record<string, string>;
  const form = { grant_type: 'client_credentials', client_id, client_secret };
  const answer = await server.post('/token', form);
  assert.equal(answer.status, 200, `${where}: no token: ${answer.text}`);
  return answer.json.access_token;
}

/** It is not quarantined, and ready. On a busy machine a check may not have ended in time, so it is asked again. */
async function assertReady(server: HttpCaller, where: string): Promise<void> {
  for (;;) {
    const answer = await server.call('GET', '/readyz');
    assert.equal(answer.json?.checks?.quarantine, 'ok', `${where}: ${answer.text}`);
    if (answer.status === 200) return;
    await delay(20);
  }
}

async function lookInside(directory: string, where: string): Promise<void> {
  const path = join(directory, 'countersign.sqlite');
  const store = await openSqliteStore(path, { now: Date.now, lane: newId('lane', Date.now()) });
  try {
    assert.ok((await verifyTrail(storeTrail(store))).isIntact, `${where}: the trail is damaged`);
  } finally {
    await store.close();
  }
}
