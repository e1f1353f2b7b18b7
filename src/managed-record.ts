/** What every managed record has in common. */
export interface ManagedRecord {
  readonly id: string;
  /** Counts changes, from 1: a replacement names the version it was read at. */
  readonly version: number;
  /** Raised by every cutoff: tokens issued under an older epoch are dead (see `liveness.ts`). */
  readonly epoch: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** The versions of a record that a change may be made to: any there is, one, or some. */
export type IfMatch = '*' | number | readonly number[];
