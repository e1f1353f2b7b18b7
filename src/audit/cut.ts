import { hash } from 'node:crypto';
import { z } from 'zod';
import type { LaneHead } from './chain.ts';

/**
 * Where the rows of a lane begin after older ones were removed: its last removed row. There is one at most for each lane, and it
 * only moves forward.
 */
export type LaneCut = LaneHead;

/** All cuts of a store, and how often they have been moved. */
export interface Cuts {
  readonly version: number;
  readonly cuts: readonly LaneCut[];
}

/**
 * Moves cuts forward. Conflict: `version-changed`, when somebody else has moved one since they were read. It removes nothing: that
 * is done afterwards, when a checkpoint vouches for the event that comes along.
 */
export interface MoveCuts {
  readonly kind: 'move-cuts';
  /** One more than what was read. */
  readonly version: number;
  readonly cuts: readonly LaneCut[];
}

/** Stands for all cuts of a store; the event of their being moved holds it, and the chain seals that event. */
export function digestOfCuts(cuts: readonly LaneCut[]): string {
  const lines = cuts.map(({ lane, seq, hash: rowHash }) => JSON.stringify([lane, seq, rowHash])).toSorted();
  return hash('sha256', lines.join('\n'), 'hex');
}

/** How cuts stand among the rows of an exported trail: a line of their own, before the rows that follow from them. */
const cutsLine = z.strictObject({
  cuts: z.array(
    z.strictObject({
      lane: z.string(),
      seq: z.int().min(1),
      hash: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

/** @returns undefined for a row, and for anything else */
export function readCutsLine(line: unknown): readonly LaneCut[] | undefined {
  if (typeof line !== 'object' || line === null || !('cuts' in line)) return undefined;
  return cutsLine.safeParse(line).data?.cuts;
}
