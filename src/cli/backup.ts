import { Command } from 'commander';
import pc from 'picocolors';
import { fileTrail } from '../audit/index.ts';
import { loadConfig } from '../config/index.ts';
import { newId } from '../ids.ts';
import { packageVersion } from '../process/package-version.ts';
import { quarantineDeployment, type ReplayReport, replayTrail } from '../recovery/index.ts';
import { openStore } from '../store/open-store.ts';
import { type BackupManifest, backUpSqlite, verifyBackup } from '../store/sqlite/backup-file.ts';
import { SCHEMA_VERSION } from '../store/sqlite/migrations.ts';
import { draftOf, holdStore, removeDraft, settleDraft } from '../store/sqlite/replace-store.ts';
import {
  type CheckpointOptions,
  inWords,
  operatorOrigin,
  readCheckpoints,
  recoveryDeps,
} from './open-recovery.ts';
import { showProgress } from './progress.ts';
import { printReplay } from './quarantine.ts';

interface RestoreOptions extends CheckpointOptions {
  readonly audit?: string;
  readonly replaceDamaged?: true;
}

/** `countersign backup FILE`. */
export function backupCommand(): Command {
  return new Command('backup')
    .description('Copy the SQLite store into a file, while servers go on using it')
    .argument('<file>', 'where the backup goes; FILE.json beside it describes it; nothing is overwritten')
    .addHelpText(
      'after',
      `
The key-encryption key is not in the store and not in its backup: keep a copy of it elsewhere.
For MongoDB see docs/backup.md.

Example:
  countersign backup /backups/countersign-$(date +%F).sqlite`,
    )
    .action(backUp);
}

/** `countersign restore FILE`. */
export function restoreCommand(): Command {
  return new Command('restore')
    .description('Put a backup in place of the SQLite store, quarantined; no server may be running')
    .argument('<file>', 'the backup, with FILE.json beside it')
    .option(
      '-a, --audit <file>',
      'the trail as it was exported later: what was taken away since is taken away again',
    )
    .option('-c, --checkpoints <file...>', 'signed checkpoints that vouch for the end of that trail')
    .option('-k, --key <file>', 'the public key (PEM) that the checkpoints are signed with')
    .option('--replace-damaged', 'the present store cannot be read, and no server has it open')
    .addHelpText(
      'after',
      `
A backup does not know what was taken away after it was made. The restored store grants nothing until that is known
again: by --audit, or by saying of every record whether it is as it should be (countersign quarantine --help).

Examples:
  countersign restore /backups/countersign-2026-11-22.sqlite
  countersign restore BACKUP --audit trail.jsonl --checkpoints checkpoints.jws --key checkpoint.pub.pem`,
    )
    .action(restore);
}

async function backUp(file: string): Promise<void> {
  const { store: location } = loadConfig(process.env);
  if (location.kind !== 'sqlite') throw new Error(`the store is MongoDB: ${SEE_MONGODB}`);
  const manifest = await backUpSqlite(location.path, file, {
    serverVersion: packageVersion(),
    nowMs: Date.now(),
    onProgress: showProgress(),
  });
  // A store that an older program uses is not migrated for the sake of a row about its backup.
  if (manifest.schemaVersion === SCHEMA_VERSION) await recordBackup(manifest);
  console.log(
    `${pc.green('✔')} ${file}: ${manifest.bytes} bytes, ${manifest.rows} rows of the trail, verified; SHA-256 ${manifest.sha256}`,
  );
}

const SEE_MONGODB = 'docs/backup.md has how it is backed up and restored';

async function recordBackup({ sha256, madeAt }: BackupManifest): Promise<void> {
  const { store: location } = loadConfig(process.env);
  const origin = operatorOrigin();
  const store = await openStore(location, { now: Date.now, lane: newId('lane', origin.now) });
  try {
    await store.commit({
      changes: [],
      events: [
        {
          type: 'deployment.backed-up',
          outcome: 'done',
          at: origin.now,
          requestId: origin.requestId,
          detail: { sha256, madeAt },
        },
      ],
    });
  } finally {
    await store.close();
  }
}

async function restore(file: string, options: RestoreOptions): Promise<void> {
  const config = loadConfig(process.env);
  const location = config.store;
  if (location.kind !== 'sqlite') throw new Error(`the store is MongoDB: ${SEE_MONGODB}`);
  const { heads, lastAt } = await readCheckpoints(options);
  if (options.audit === undefined && heads.size > 0)
    throw new Error('--checkpoints vouch for the trail of --audit: name that too');

  const progress = showProgress();
  const { manifest } = await verifyBackup(file, progress);
  console.log(`${pc.green('✔')} ${file} of ${showTime(manifest.madeAt)} verifies`);

  const held = holdStore(location.path, options.replaceDamaged === true);
  const draft = await draftOf(file, location.path);
  try {
    const since = Date.now();
    const origin = operatorOrigin();
    const store = await openStore(
      { kind: 'sqlite', path: draft },
      { now: Date.now, lane: newId('lane', since) },
    );
    let replay: ReplayReport | undefined;
    try {
      const deps = recoveryDeps(store, config);
      const order = {
        cause: 'restored',
        since,
        backupMadeAt: manifest.madeAt,
        highestEpoch: held.epoch,
      } as const;
      await quarantineDeployment(deps, order, origin);
      if (options.audit !== undefined)
        replay = await replayTrail(deps, { trail: fileTrail(options.audit), heads }, origin);
    } finally {
      await store.close();
    }
    await settleDraft(draft);
    const aside = await held.replaceWith(draft, Date.now());
    if (aside !== undefined) console.log(`${pc.green('✔')} the replaced store is ${aside}`);
    if (replay) printReplay(replay, lastAt);
    else printQuarantine();
  } catch (error) {
    throw inWords(error);
  } finally {
    held.release();
    await removeDraft(draft);
  }
}

function printQuarantine(): void {
  console.log(`${pc.yellow('!')} The store is restored and QUARANTINED. Every token is dead, and none is issued.
  A backup does not know what was taken away after it was made. Open it in one of two ways:
  countersign quarantine replay --audit trail.jsonl --checkpoints checkpoints.jws --key checkpoint.pub.pem
      takes away again what an exported trail says was taken away since
  countersign quarantine list
      shows every record, to be confirmed or kept closed one by one; then countersign quarantine open`);
}

function showTime(ms: number): string {
  return new Date(ms).toISOString();
}
