/**
 * How long it takes to export a trail of many rows and to verify it, in the store and offline by a signed checkpoint and the public key
 * alone, and in how much memory: `npm run proof:verify-trail [-- ROWS]`, 10^5 and 10^6 where absent. Each figure is of a process of
 * its own. Ends with 1 if a trail does not verify, or if one that was cut short does.
 */
import { execFile } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import {
  chainEvent,
  emptyLane,
  fileTrail,
  startCheckpoints,
  storeTrail,
  trailLines,
  verifyCheckpoints,
  verifyTrail,
} from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';

const STARTED_AT = 1_800_000_000_000;
const LANES = 4;

const [work = '100000,1000000', ...paths] = process.argv.slice(2);
if (/^[\d,]+$/.test(work)) for (const rows of work.split(',')) await measure(Number(rows));
else await runWork(work, paths);

interface Files {
  readonly store: string;
  readonly exported: string;
  readonly checkpoints: string;
  readonly publicKey: string;
}

async function measure(rows: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-verify-'));
  const files: Files = {
    store: join(directory, 'countersign.sqlite'),
    exported: join(directory, 'trail.jsonl'),
    checkpoints: join(directory, 'checkpoints.jws'),
    publicKey: join(directory, 'checkpoint.pub.pem'),
  };
  try {
    await fill(files.store, rows);
    await sign(files);
    for (const step of ['export', 'verify-store', 'verify-file']) await run(rows, step, files);
    // The end of a chain can be left out without a trace in the chain itself.
    const bytes = await readFile(files.exported);
    await truncate(files.exported, bytes.lastIndexOf('\n', bytes.length - 2_000) + 1);
    await run(rows, 'verify-cut', files);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function run(rows: number, step: string, files: Files): Promise<void> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    import.meta.filename,
    step,
    ...Object.values(files),
  ]);
  console.log(`${rows} rows: ${stdout.trim()}`);
  const isIntact = !stdout.includes('NOT INTACT');
  if (isIntact === (step === 'verify-cut')) process.exitCode = 1;
}

async function sign({ store: file, checkpoints, publicKey }: Files): Promise<void> {
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

async function runWork(
  step: string,
  [file = '', exported = '', checkpoints = '', publicKey = '']: readonly string[],
): Promise<void> {
  const begun = performance.now();
  const isOffline = step === 'verify-file' || step === 'verify-cut';
  const store = isOffline
    ? undefined
    : await openSqliteStore(file, { now: Date.now, lane: newId('lane', Date.now()) });
  const trail = store ? storeTrail(store) : fileTrail(exported);
  let verdict = 'written';
  if (step === 'export') await pipeline(Readable.from(trailLines(trail)), createWriteStream(exported));
  else {
    const { heads, firstBad } = await verifyCheckpoints(
      checkpoints,
      createPublicKey(await readFile(publicKey, 'utf8')),
    );
    verdict = !firstBad && (await verifyTrail(trail, heads)).isIntact ? 'intact' : 'NOT INTACT';
  }
  await store?.close();
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  const mebibytes = Math.round(process.resourceUsage().maxRSS / 1_024);
  console.log(`${step} ${seconds} s, at most ${mebibytes} MiB, ${verdict}`);
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
      const row = chainEvent(head, {
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
