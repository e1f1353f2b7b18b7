/**
 * Exports a trail of many rows and verifies it, in the store and offline by a signed checkpoint and the public key alone; one that was
 * cut short does not verify. Each step is a process of its own (`verify-trail-step.ts`), so that its time and memory are known.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { emptyLane, startCheckpoints } from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { chained } from '../support/chained.ts';
import type { ProofHost } from './proof.ts';

const STARTED_AT = 1_800_000_000_000;
const LANES = 4;
const STEP = join(import.meta.dirname, 'verify-trail-step.ts');

export type Step = 'export' | 'verify-store' | 'verify-file';

/** What steps read and write. */
export interface TrailFiles {
  readonly store: string;
  readonly exported: string;
  readonly checkpoints: string;
  readonly publicKey: string;
}

export interface StepReport {
  readonly seconds: number;
  readonly mebibytes: number;
  /** Absent where nothing was verified. */
  readonly isIntact?: boolean;
}

/** @throws {AssertionError} if the trail does not verify, or if one that was cut short does */
export async function exportAndVerify(
  host: ProofHost,
  rows: number,
  onStep: (done: number, all: number) => void,
): Promise<Readonly<Record<Step, StepReport>>> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-verify-'));
  host.teardown(() => rm(directory, { recursive: true, force: true }));
  const files: TrailFiles = {
    store: join(directory, 'countersign.sqlite'),
    exported: join(directory, 'trail.jsonl'),
    checkpoints: join(directory, 'checkpoints.jws'),
    publicKey: join(directory, 'checkpoint.pub.pem'),
  };
  await fill(files.store, rows);
  await sign(files);
  onStep(1, 5);
  const exported = await run('export', files);
  onStep(2, 5);
  const inStore = await run('verify-store', files);
  assert.equal(inStore.isIntact, true, 'the trail does not verify in its store');
  onStep(3, 5);
  const offline = await run('verify-file', files);
  assert.equal(offline.isIntact, true, 'the export does not verify');
  onStep(4, 5);
  // The end of a chain can be left out without a trace in the chain itself.
  const bytes = await readFile(files.exported);
  await truncate(files.exported, bytes.lastIndexOf('\n', bytes.length - 2_000) + 1);
  assert.equal((await run('verify-file', files)).isIntact, false, 'an export that was cut short verifies');
  onStep(5, 5);
  return { export: exported, 'verify-store': inStore, 'verify-file': offline };
}

async function run(step: Step, files: TrailFiles): Promise<StepReport> {
  const { stdout } = await promisify(execFile)(process.execPath, [STEP, step, JSON.stringify(files)]);
  return JSON.parse(stdout);
}

async function sign({ store: file, checkpoints, publicKey }: TrailFiles): Promise<void> {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(publicKey, keys.publicKey.export({ type: 'spki', format: 'pem' }));
  const store = await openSqliteStore(file, { now: Date.now, lane: newId('lane', Date.now()) });
  const writer = await startCheckpoints({
    auditStore: store,
    key: keys.privateKey,
    file: checkpoints,
    issuer: 'https://issuer.example',
    now: Date.now,
    isPaused: () => false,
    onWritten: () => undefined,
    onProblem: error => {
      throw error;
    },
  });
  await writer.stop();
  await store.close();
}

/** Rows as issued tokens leave them, which are most of a trail, in lanes as of processes that took turns. */
async function fill(file: string, rows: number): Promise<void> {
  await (await openSqliteStore(file, { now: () => STARTED_AT, lane: newId('lane', STARTED_AT) })).close();
  const database = new DatabaseSync(file);
  database.exec('PRAGMA synchronous = OFF; BEGIN');
  const insert = database.prepare('INSERT INTO audit(lane, seq, body, hash) VALUES (?, ?, ?, ?)');
  for (let lane = 0; lane < LANES; lane += 1) {
    let head = emptyLane(newId('lane', STARTED_AT));
    for (let index = 0; index < rows / LANES; index += 1) {
      const row = chained(head, {
        type: 'token.issued',
        outcome: 'done',
        at: STARTED_AT + index,
        requestId: newId('req', STARTED_AT + index),
        address: '192.0.2.1',
        client: 'agt_019ad1c0f2a1b2c3d4e5f60718293a4b',
        subject: 'agt_019ad1c0f2a1b2c3d4e5f60718293a4b',
        actor: ['agt_019ad1c0f2a1b2c3d4e5f60718293a4b'],
        resource: 'https://mcp.example/mcp',
        scope: 'orders:read orders:refund',
        jti: `tok_${index}`,
        detail: { expiresAt: 1_800_000_300 + index },
      });
      insert.run(row.lane, row.seq, row.body, row.hash);
      head = row;
    }
  }
  database.exec('COMMIT');
  database.close();
}
