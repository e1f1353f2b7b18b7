import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CheckpointedHeads, type Origin, verifyCheckpoints } from '../audit/index.ts';
import { certainMoment } from '../clock.ts';
import { type Config, loadConfig, parseKeyEncryptionKey } from '../config/index.ts';
import { Refused } from '../errors.ts';
import { sealingKey } from '../keys/index.ts';
import { newOrigin } from '../origin.ts';
import type { RecoveryDeps, RecoveryRefusal } from '../recovery/index.ts';
import type { Store } from '../store/store.ts';
import { openExistingStore } from './open-existing-store.ts';

export interface Recovery {
  readonly config: Config;
  readonly store: Store;
  readonly deps: RecoveryDeps;
  /** The operator acts in person: there is no client, and one request. */
  readonly origin: Origin;
}

/** Runs work on the configured store. That it was opened is in the trail. */
export function withRecovery<T>(work: (recovery: Recovery) => Promise<T>): Promise<T> {
  return withStore(work, false);
}

/** Runs work on the configured store that only reads it: nothing of it is in the trail. */
export function withRecoveryRead<T>(work: (recovery: Recovery) => Promise<T>): Promise<T> {
  return withStore(work, true);
}

async function withStore<T>(work: (recovery: Recovery) => Promise<T>, readsOnly: boolean): Promise<T> {
  const config = loadConfig(process.env);
  const store = await openExistingStore(config.store, { readsOnly });
  try {
    return await work({ config, store, deps: recoveryDeps(store, config), origin: operatorOrigin() });
  } catch (error) {
    throw inWords(error);
  } finally {
    await store.close();
  }
}

export function operatorOrigin(): Origin {
  return newOrigin(certainMoment(Date.now()));
}

export function recoveryDeps(store: Store, config: Config): RecoveryDeps {
  return {
    deployment: store,
    freshness: store,
    agents: store,
    people: store,
    credentials: store,
    resources: store,
    delegations: store,
    trail: store,
    signingKeys: {
      keys: store,
      freshness: store,
      // Read where it is needed: only a withdrawn signing key has to be replaced by a new one.
      get sealing() {
        return sealingKey(
          config.keyEncryptionKey ??
            parseKeyEncryptionKey(readFileSync(config.keyEncryptionKeyFile, 'utf8').trim()),
        );
      },
    },
  };
}

export interface CheckpointOptions {
  readonly checkpoints?: readonly string[];
  readonly key?: string;
}

/**
 * What checkpoint files vouch for.
 *
 * @throws {Error} when one does not verify
 */
export async function readCheckpoints({ checkpoints = [], key }: CheckpointOptions): Promise<{
  readonly heads: CheckpointedHeads;
  /** The instant of the last one, in milliseconds since the epoch; undefined where there is none. */
  readonly lastAt: number | undefined;
}> {
  if (checkpoints.length > 0 !== (key !== undefined)) {
    throw new Error(
      '--checkpoints and --key go together: a checkpoint is worth nothing without its signature',
    );
  }
  let heads: CheckpointedHeads = new Map();
  let lastAt: number | undefined;
  for (const file of checkpoints) {
    const report = await verifyCheckpoints(file, createPublicKey(readFileSync(key ?? '', 'utf8')), heads);
    if (report.firstBad)
      throw new Error(`${file} line ${report.firstBad.line} does not verify: ${report.firstBad.why}`);
    heads = report.heads;
    if (report.last) lastAt = Math.max(lastAt ?? 0, report.last.iat * 1000);
  }
  return { heads, lastAt };
}

const SENTENCES = {
  'person-unknown': 'There is no such person.',
  'record-protected': 'The server itself rests on this record, so it stays as it is: confirm it.',
  'person-disabled': 'The person is disabled, and nobody signs in who is: restore them first.',
  'not-quarantined': 'The deployment is open: there is nothing to decide.',
  'record-unknown': 'There is no such record.',
  'records-undecided': 'Records are left of which nothing was said:',
  'count-differs': 'That is not the number of records that are left:',
  'secret-undecided':
    'Say what becomes of its secret: --secret keep if it has not been replaced or withdrawn since the backup, --secret new otherwise.',
  'trail-altered':
    'The exported trail does not verify, or lacks rows that a checkpoint vouches for: countersign audit verify --file says which.',
  'trail-without-checkpoint':
    'Name the checkpoints that vouch for the end of the trail: --checkpoints FILE --key FILE. A trail that ends too early cannot be told from a whole one otherwise.',
  'trail-pruned':
    'Rows that the backup does not have were removed from the exported trail, and with them removals of authority, perhaps; an older export may have them. Of the lane:',
  'trail-of-another-store':
    'The exported trail lacks rows that the store has: it is older than the backup, or of another store.',
} as const satisfies Record<
  RecoveryRefusal | 'person-unknown' | 'person-disabled' | 'record-protected',
  string
>;

/** A refusal as a sentence for the terminal; any other error as it is. */
export function inWords(error: unknown): unknown {
  return error instanceof Refused ? new Error(explain(error), { cause: error }) : error;
}

function explain({ reason, detail }: Refused): string {
  const sentence = (SENTENCES as Readonly<Record<string, string>>)[reason] ?? reason;
  const more = [detail.sent, ...(detail.permitted ?? [])].filter(part => part !== undefined);
  return more.length === 0 ? sentence : `${sentence} (${more.join(', ')})`;
}
