import { setTimeout as delay } from 'node:timers/promises';
import { type Background, recur } from '../background.ts';
import type { Moment } from '../clock.ts';
import { newOrigin } from '../origin.ts';
import type { Checkpoints } from './checkpoint.ts';
import type { CheckpointDelivery } from './deliver-checkpoints.ts';
import { pruneTrail, type RetentionStore } from './retention.ts';

const DAY_MS = 86_400_000;
const PAUSE_MS = 600_000;
/** How long pruning waits for the delivery of the checkpoint that vouches for it. */
const DELIVERY_TRIES = 50;
const DELIVERY_PAUSE_MS = 100;

export interface KeepPrunedOptions {
  readonly store: RetentionStore;
  readonly checkpoints: Pick<Checkpoints, 'checkpointNow' | 'figures'>;
  /** Where checkpoints are delivered too. */
  readonly delivery: Pick<CheckpointDelivery, 'figures'> | undefined;
  readonly retentionDays: number;
  readonly moment: () => Moment;
  /** Whether no checkpoint is written now. */
  readonly isPaused: () => boolean;
  /** Whether the process is about to end: then nothing is waited for. */
  readonly isStopping: () => boolean;
  readonly onError: (error: unknown) => void;
}

/** Removes what is older than its retention, again and again, once a checkpoint that vouches for it has been exported. */
export function keepPruned(options: KeepPrunedOptions): Background {
  const { store, retentionDays, moment } = options;
  return recur(
    () => {
      const origin = newOrigin(moment());
      return pruneTrail(
        { store, isExported: () => isExported(options) },
        origin.now - retentionDays * DAY_MS,
        origin,
      );
    },
    PAUSE_MS,
    options.onError,
  );
}

async function isExported({
  checkpoints,
  delivery,
  moment,
  isPaused,
  isStopping,
}: KeepPrunedOptions): Promise<boolean> {
  const asked = moment().now;
  if (isPaused()) return false;
  await checkpoints.checkpointNow();
  for (let tries = 0; delivery?.figures.waitingSince !== undefined; tries += 1) {
    if (isStopping() || tries === DELIVERY_TRIES) return false;
    await delay(DELIVERY_PAUSE_MS);
  }
  return checkpoints.figures.coveredUntil >= asked;
}
