import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import {
  type CheckpointedHeads,
  type LaneHead,
  storeTrail,
  type Trail,
  verifyTrail,
} from '../../audit/index.ts';
import { DEPLOYMENT } from '../../deployment-epoch.ts';
import { nameOnce } from '../../name-once.ts';
import { SCHEMA_VERSION, schemaVersion } from './migrations.ts';
import { prepareTrailReads } from './trail-reads.ts';

/** Pages in one step: about 4 MB, between which progress is told. */
const PAGES_PER_STEP = 1_000;

const manifestSchema = z.strictObject({
  format: z.literal('countersign-backup'),
  /** When the snapshot was taken, in milliseconds since the epoch. */
  madeAt: z.int().min(0),
  serverVersion: z.string(),
  schemaVersion: z.int().min(1),
  /** Which store it is a copy of; empty for one that has never been started. */
  storeId: z.string(),
  bytes: z.int().min(1),
  /** Hexadecimal SHA-256 of the file. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Rows of the audit trail. */
  rows: z.int().min(0),
  /** Where every lane of the trail stood. */
  lanes: z.array(z.strictObject({ lane: z.string(), seq: z.int().min(1), hash: z.string() })),
});

/** What stands beside a backup, in `FILE.json`. */
export type BackupManifest = z.output<typeof manifestSchema>;

export interface BackupOptions {
  readonly serverVersion: string;
  readonly nowMs: number;
  /** Told how far the work has come, from 0 to 1. It is waited for when copying begins: what is copied is settled by then. */
  readonly onProgress: (step: 'copying' | 'verifying', done: number) => void | Promise<void>;
}

/** Where the manifest of a backup is. */
export function manifestFile(file: string): string {
  return `${file}.json`;
}

/**
 * Copies a store into one file, while any number of processes go on using it: what is copied is one snapshot, and it holds up
 * nobody. The copy is verified, made durable, and has its name only then; its manifest has its own a moment before.
 *
 * @param path the store
 * @param file where the copy goes; nothing may be there yet
 * @throws {Error} when there is no such store, or the copy does not verify
 */
export async function backUpSqlite(
  path: string,
  file: string,
  options: BackupOptions,
): Promise<BackupManifest> {
  const target = resolve(file);
  for (const taken of [target, manifestFile(target)]) {
    if (existsSync(taken)) throw new Error(`${taken} is there already: a backup overwrites nothing`);
  }
  const draft = `${target}.${randomUUID()}.part`;
  const manifestDraft = `${draft}.json`;
  try {
    await (await open(draft, 'wx', 0o600)).close();
    await copySnapshot(path, draft, options.onProgress);
    const manifest = await describeCopy(draft, options);
    await sync(draft);
    const handle = await open(manifestDraft, 'wx', 0o600);
    await handle.writeFile(`${JSON.stringify(manifest, undefined, 2)}\n`);
    await handle.sync();
    await handle.close();
    // The manifest first, so that a backup with its name is whole.
    nameOnce(manifestDraft, manifestFile(target));
    nameOnce(draft, target);
    await sync(dirname(target));
    return manifest;
  } finally {
    await Promise.all([draft, `${draft}-journal`, manifestDraft].map(left => rm(left, { force: true })));
  }
}

export interface VerifiedBackup {
  readonly manifest: BackupManifest;
  /** The epoch of the deployment in it. */
  readonly epoch: number;
}

/**
 * Verifies a backup: checksum, schema version, the database's own structure, and every row of the trail, up to the heads that the
 * manifest names. Changes nothing.
 *
 * @param heads from checkpoints that were signed before the backup was made, where there are any
 * @throws {Error} saying what does not hold
 */
export async function verifyBackup(
  file: string,
  onProgress: BackupOptions['onProgress'],
  heads: CheckpointedHeads = new Map(),
): Promise<VerifiedBackup> {
  const manifest = await readManifest(file);
  if (manifest.schemaVersion > SCHEMA_VERSION) {
    throw new Error(
      `${file} has schema version ${manifest.schemaVersion}, this program knows ${SCHEMA_VERSION}: run a newer version of Countersign`,
    );
  }
  const { sha256 } = await digestFile(file, done => void onProgress('verifying', done / 2));
  if (sha256 !== manifest.sha256)
    throw new Error(`${file} is not the file that its manifest describes: it was changed or is damaged`);
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const found = await inspect(database, heads, file);
    if (found.schemaVersion !== manifest.schemaVersion || found.rows !== manifest.rows)
      throw new Error(`${file} is not what its manifest says`);
    if (JSON.stringify(found.lanes) !== JSON.stringify(manifest.lanes))
      throw new Error(`the audit trail in ${file} does not end where its manifest says`);
    await onProgress('verifying', 1);
    return { manifest, epoch: found.epoch };
  } finally {
    database.close();
  }
}

async function copySnapshot(
  path: string,
  draft: string,
  onProgress: BackupOptions['onProgress'],
): Promise<void> {
  if (!existsSync(path)) throw new Error(`there is no store at ${path}`);
  const source = new DatabaseSync(path, { timeout: 5_000 });
  try {
    // With a transaction open all steps copy one snapshot; without, each commit of somebody else would start the copy again.
    source.exec('PRAGMA query_only = ON; BEGIN');
    schemaVersion(source);
    await onProgress('copying', 0);
    await backup(source, draft, {
      rate: PAGES_PER_STEP,
      progress: ({ totalPages, remainingPages }) =>
        void onProgress('copying', 1 - remainingPages / Math.max(totalPages, 1)),
    });
    source.exec('COMMIT');
  } finally {
    source.close();
  }
}

async function describeCopy(draft: string, options: BackupOptions): Promise<BackupManifest> {
  const database = new DatabaseSync(draft);
  let found: Awaited<ReturnType<typeof inspect>>;
  try {
    // One file that is whole by itself, wherever it is taken.
    database.exec('PRAGMA journal_mode = DELETE');
    found = await inspect(database, new Map(), 'the copy');
  } finally {
    database.close();
  }
  const { sha256, bytes } = await digestFile(draft, done => void options.onProgress('verifying', done));
  return {
    format: 'countersign-backup',
    madeAt: options.nowMs,
    serverVersion: options.serverVersion,
    schemaVersion: found.schemaVersion,
    storeId: found.storeId,
    bytes,
    sha256,
    rows: found.rows,
    lanes: found.lanes,
  };
}

/** @throws {Error} when the database is damaged, or its trail has been changed */
async function inspect(database: DatabaseSync, heads: CheckpointedHeads, name: string) {
  const [check] = database.prepare('PRAGMA integrity_check(1)').all();
  if (check?.['integrity_check'] !== 'ok')
    throw new Error(`${name} is damaged: ${check?.['integrity_check']}`);
  const version = schemaVersion(database);
  if (version === 0) throw new Error(`${name} holds no store of Countersign`);
  const lanes = prepareTrailReads(database).lanes() as LaneHead[];
  const report = await verifyTrail(trailOf(database), heads);
  if (!report.isIntact) {
    const bad = report.lanes.find(({ firstBad }) => firstBad)?.firstBad;
    throw new Error(
      `the audit trail in ${name} has been changed: ${bad ? `${bad.lane} row ${bad.seq} ${bad.why}` : 'rows cannot be read'}`,
    );
  }
  return {
    ...readDeployment(database, version),
    schemaVersion: version,
    rows: report.rows,
    lanes: lanes.map(({ lane, seq, hash }) => ({ lane, seq, hash })),
  };
}

function trailOf(database: DatabaseSync): Trail {
  const reads = prepareTrailReads(database);
  return storeTrail({
    listLanes: () => Promise.resolve(reads.lanes()),
    readCuts: () => Promise.resolve(reads.cuts()),
    readLane: (lane, fromSeq, limit) => Promise.resolve(reads.lane(lane, fromSeq, limit)),
  });
}

/** What a database says of the deployment; the schema had nothing of it before its third version. */
export function readDeployment(
  database: DatabaseSync,
  version = schemaVersion(database),
): { readonly storeId: string; readonly epoch: number } {
  const row =
    version < 3 ? undefined : database.prepare('SELECT payload FROM deployment WHERE id = ?').get(DEPLOYMENT);
  if (!row) return { storeId: '', epoch: 0 };
  const { storeId, epoch } = JSON.parse(row['payload'] as string) as { storeId: string; epoch: number };
  return { storeId, epoch };
}

async function readManifest(file: string): Promise<BackupManifest> {
  const path = manifestFile(file);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new Error(`${path} cannot be read: a backup consists of both files`, { cause });
  }
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${path} is no manifest of a backup`, { cause });
  }
}

async function digestFile(
  file: string,
  onProgress: (done: number) => void,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const handle = await open(file);
  const { size } = await handle.stat();
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream('', { fd: handle, highWaterMark: 1 << 20 })) {
    digest.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    onProgress(bytes / size);
  }
  return { sha256: digest.digest('hex'), bytes };
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
