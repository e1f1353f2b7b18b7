import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { AuditStore } from '../audit/index.ts';
import { type Background, recur } from '../background.ts';
import { CannotUse } from '../cannot-use.ts';
import type { Deployment, DeploymentStore } from './deployment.ts';

/**
 * How far a store was known to have come, kept beside it and not in it: a store that has not come that far has been rolled back.
 *
 * Limits: what was committed after the mark was last written, 5 seconds at most, can be rolled back unseen; so can a store whose
 * mark was rolled back with it, as with the snapshot of a whole machine, or was deleted. The `restore` command needs no mark.
 */
export interface HighWaterMark {
  readonly storeId: string;
  /** The deployment's own epoch: whoever restores by our commands raises it, and is not asked again. */
  readonly epoch: number;
  /** A row of the trail that was durable. */
  readonly lane: string;
  readonly seq: number;
  readonly hash: string;
}

const EVERY_MS = 5_000;

const markSchema = z.strictObject({
  storeId: z.string(),
  epoch: z.int().min(0),
  lane: z.string(),
  seq: z.int().min(1),
  hash: z.string(),
});

/** Where the mark is kept. */
export function highWaterMarkFile(dataDirectory: string): string {
  return join(dataDirectory, 'high-water-mark.json');
}

/**
 * @returns undefined where there is none
 * @throws {Error} when the file cannot be read or does not hold a mark: it must not be passed over
 */
export async function readHighWaterMark(file: string): Promise<HighWaterMark | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return markSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CannotUse(
      file,
      'it is damaged, and it tells whether the store was rolled back',
      'if the store came out of a backup, run `countersign quarantine start`; then delete the file',
      { cause },
    );
  }
}

/** Whether a store is the one that the mark was made of, and has lost what it had then. */
export async function isRolledBack(
  mark: HighWaterMark,
  deployment: Deployment,
  trail: Pick<AuditStore, 'listLanes' | 'readLane'>,
): Promise<boolean> {
  if (deployment.storeId !== mark.storeId) return false;
  if (deployment.epoch !== mark.epoch) return deployment.epoch < mark.epoch;
  const [row] = await trail.readLane(mark.lane, mark.seq, 1);
  if (row?.seq === mark.seq) return row.hash !== mark.hash;
  // An old row may have been removed on purpose; what came after it is there then.
  const head = (await trail.listLanes()).find(({ lane }) => lane === mark.lane);
  return (head?.seq ?? 0) < mark.seq;
}

export interface MarkingOptions {
  readonly file: string;
  readonly deployment: DeploymentStore;
  /** Shows durable rows only: a mark must never be ahead of the store. */
  readonly trail: Pick<AuditStore, 'readNewest'>;
  /** Told when the mark cannot be written. */
  readonly onProblem: (error: unknown) => void;
}

/** Keeps the mark, every five seconds while anything is written, and at the end. */
export function keepHighWaterMark(options: MarkingOptions): Background {
  const { file, deployment, trail } = options;
  let written = '';

  const mark = async (): Promise<void> => {
    const [[row], self] = await Promise.all([trail.readNewest(1), deployment.findDeployment()]);
    if (!row || !self) return;
    const { lane, seq, hash } = row;
    const text = JSON.stringify({
      storeId: self.storeId,
      epoch: self.epoch,
      lane,
      seq,
      hash,
    } satisfies HighWaterMark);
    if (text === written) return;
    await writeWhole(file, text);
    written = text;
  };
  const background = recur(mark, EVERY_MS, options.onProblem);
  return {
    stop: async () => {
      await background.stop();
      await mark().catch(options.onProblem);
    },
  };
}

/** The file is there whole or not at all, whenever the power goes. */
async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
