/**
 * What a proof is. Its body stands beside its small form: `npm test` runs that with few rounds and holds the order of events;
 * `npm run proofs` runs it at full size and measures as well.
 */
import assert from 'node:assert/strict';
import { type SharedStore, sharedMongo, sharedSqlite } from '../support/deployment.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import type { Answer } from '../support/start-app.ts';

/** What a proof needs of whoever runs it: an AVA test is one. */
export interface ProofHost {
  /** Runs when the proof is over, whatever came of it; the last added first. */
  teardown(work: () => unknown): void;
  log(...values: unknown[]): void;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The target: a value beyond it is reported as missed. */
  readonly atMost?: number;
}

/** The seed of what is random here: a new one each time, unless `COUNTERSIGN_TEST_SEED` repeats an older one. */
export const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);

export type StoreKind = 'sqlite' | 'mongo';

/** The kinds of store that are proved here: `COUNTERSIGN_TEST_MONGODB=off` leaves one out. */
export const STORES: readonly StoreKind[] =
  process.env['COUNTERSIGN_TEST_MONGODB'] === 'off' ? ['sqlite'] : ['sqlite', 'mongo'];

/**
 * A fresh store of a kind.
 *
 * @param crashes the proof kills what lies below the servers, too, so it gets a database server of its own
 */
export async function freshStore(
  host: ProofHost,
  kind: StoreKind,
  { crashes = false } = {},
): Promise<SharedStore & { readonly crashBelow?: () => Promise<void> }> {
  if (kind === 'sqlite') return sharedSqlite(host);
  const server = await startMongoServer({ alone: crashes });
  if (!server) throw new Error('COUNTERSIGN_TEST_MONGODB=off leaves the proofs on MongoDB out');
  host.teardown(() => server.stop());
  host.log(server.name);
  const shared = await sharedMongo(host, server);
  if (!crashes || !server.isOurs) return shared;
  const crashBelow = async (): Promise<void> => {
    await server.kill();
    await server.restart();
  };
  return { ...shared, crashBelow };
}

/**
 * Who cannot prove who they are is refused, and gets nothing: 401, and after a thousand failures from this machine in ten minutes
 * 429, which a proof comes to and a test does not (I16).
 *
 * @param message what it would mean otherwise
 */
export function assertUnproven(answer: Answer, message: string): void {
  const { status, json, text } = answer;
  const told = [status, json?.error];
  assert.deepEqual(
    told,
    status === 429 ? [429, 'temporarily_unavailable'] : [401, 'invalid_client'],
    `${message}: ${text}`,
  );
  if (status === 429) assert.match(text, /Too many failed attempts to authenticate, and this one failed too/);
}

/** The value that this share of all values does not exceed, to a tenth. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0) * 10) / 10;
}

/** A long or random proof, run by `npm run proofs`. */
export interface Proof {
  /** `npm run proofs -- NAME`. */
  readonly name: string;
  /** What holds, as a sentence. */
  readonly claim: string;
  /** Runs only when it is named: it takes long, or gets programs from elsewhere. */
  readonly onlyByName?: true;
  /** What it needs and is not here; undefined where nothing is missing. */
  missing?(): string | undefined;
  /** @returns what was measured on the way; throws where the claim does not hold */
  run(host: ProofHost, options: ProofOptions): Promise<readonly Figure[]>;
}

export interface ProofOptions {
  readonly seed: number;
  /** A count of rounds at the size that was asked for: all of them, or a share. */
  size(whole: number): number;
  /** Tells how far it has come. */
  progress(done: number, all: number): void;
}

export interface ProofRun {
  readonly seed: number;
  readonly seconds: number;
  /** What a reader should know besides, such as the name of the database server. */
  readonly notes: readonly string[];
  readonly figures: readonly Figure[];
  /** What did not hold. */
  readonly failure?: string;
}

/** A proof that has come no further for so long has met something that hangs. */
const NO_PROGRESS_MS = 15 * 60_000;

/**
 * Runs one proof, and ends what it started.
 *
 * @param stop ends it before it is through
 */
export async function runProof(
  proof: Proof,
  {
    seed,
    scale,
    stop,
    progress,
  }: {
    readonly seed: number;
    readonly scale: number;
    readonly stop: AbortSignal;
    readonly progress: ProofOptions['progress'];
  },
): Promise<ProofRun> {
  const startedAt = performance.now();
  const notes: string[] = [];
  const teardowns: (() => unknown)[] = [];
  const host: ProofHost = {
    teardown: work => void teardowns.unshift(work),
    log: (...values) => void notes.push(values.join(' ')),
  };
  const ended = Promise.withResolvers<never>();
  stop.addEventListener('abort', () => ended.reject(new Error('it was stopped')));
  const hangs = setTimeout(
    () => ended.reject(new Error('it has come no further for 15 minutes')),
    NO_PROGRESS_MS,
  );
  const options: ProofOptions = {
    seed,
    size: whole => Math.max(1, Math.round(whole * scale)),
    progress: (done, all) => {
      hangs.refresh();
      progress(done, all);
    },
  };
  const outcome = await Promise.race([proof.run(host, options), ended.promise])
    .then(figures => ({ figures }))
    .catch((error: unknown) => {
      // Its callers may still be at work, and break off with the servers.
      process.on('unhandledRejection', () => undefined);
      return {
        figures: [],
        failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
    });
  clearTimeout(hangs);
  for (const work of teardowns) await work();
  return { seed, seconds: Math.round((performance.now() - startedAt) / 1000), notes, ...outcome };
}

/** Whether a figure is beyond its target. */
export function isMissed({ value, atMost }: Figure): boolean {
  return atMost !== undefined && value > atMost;
}
