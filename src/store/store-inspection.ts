import type { SigningKey } from '../keys/index.ts';
import type { Deployment } from '../recovery/index.ts';

/** What a store says of itself to somebody who changes nothing in it, not even by opening it. */
export interface StoreInspection {
  readonly description: string;
  /** How many steps of the schema it has; 0 before the first start. */
  readonly schemaVersion: number;
  /** How many this program knows. */
  readonly knownVersion: number;
  readonly signingKeys: readonly SigningKey[];
  readonly deployment: Deployment | undefined;
  /** When the newest event of the trail happened, in milliseconds since the epoch, as its process had the time. */
  readonly newestEventAt: number | undefined;
  /** The highest time at which anything was committed, in milliseconds since the epoch; undefined where none was kept yet. */
  readonly lastCommittedAt: number | undefined;
  /** What time the store itself has, where it has a clock of its own. */
  readonly clockAt: number | undefined;
}
