import type { CommitPort, ManagedRecord, RecordChange } from '../audit/index.ts';
import type { DEPLOYMENT } from '../deployment-epoch.ts';

/**
 * Why a deployment was quarantined:
 *
 * - `restored`: a backup was put in place of the store
 * - `rolled-back`: at a start, the store lacked what it had held before: it was replaced by hand
 * - `ordered`: an operator said so, after restoring by other means
 */
export type QuarantineCause = 'restored' | 'rolled-back' | 'ordered';

/** A deployment of which it is not known what has been taken back since its records were written. */
export interface Quarantine {
  readonly cause: QuarantineCause;
  /** Milliseconds since the epoch. Rows of the trail from then on are of what happened since the store came out of its backup. */
  readonly since: number;
  /** When the restored backup was made, in milliseconds since the epoch, where that is known. */
  readonly backupMadeAt?: number;
}

/** What the store knows of itself: there is one such record. Its epoch is explained in `deployment-epoch.ts`. */
export interface Deployment extends ManagedRecord {
  readonly id: typeof DEPLOYMENT;
  /** Drawn when the store was first used, and kept in every copy: it tells one store from another. */
  readonly storeId: `sto_${string}`;
  /**
   * One for each key-encryption key that something in the store may be sealed with (`keys/key-check.ts`): a server that lacks one of
   * them does not start. Absent in a store that has never been used, or not since there have been any.
   */
  readonly keyChecks?: readonly string[];
  /** Present while its epoch says that it is quarantined. */
  readonly quarantine?: Quarantine;
}

/** What an operator decided of a record that came out of a backup. */
export type Decision = 'confirmed' | 'kept-closed';

export type DeploymentChange =
  | RecordChange<'deployment', Deployment>
  /** Notes that a record has been looked at in the quarantine that began with this epoch. Conflict: `already-exists`. */
  | { readonly kind: 'decide'; readonly epoch: number; readonly id: string; readonly decision: Decision }
  /** Deletes everything that somebody has begun and not ended: codes, pushed requests, sessions, refresh tokens. */
  | { readonly kind: 'void-pending' }
  /** Puts back rows of the trail that were written after the backup. Those that are there already stay as they are. */
  | { readonly kind: 'adopt-audit'; readonly rows: readonly AdoptedRow[] };

/** A row of the trail, as it was exported. */
export interface AdoptedRow {
  readonly lane: string;
  readonly seq: number;
  readonly body: string;
  readonly hash: string;
  /** When it was committed, or near to it, in milliseconds since the epoch. */
  readonly at: number;
}

export interface DeploymentStore extends CommitPort<DeploymentChange> {
  /** Undefined in a store that has never been used. */
  findDeployment(): Promise<Deployment | undefined>;
  /** What was decided in the quarantine that began with this epoch, of those of the records named that it was decided of. */
  findDecisions(epoch: number, ids: readonly string[]): Promise<ReadonlyMap<string, Decision>>;
}
