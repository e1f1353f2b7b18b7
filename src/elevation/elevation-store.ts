import type { CommitPort, ExpectVersion, RecordChange } from '../audit/index.ts';
import type { Page, PageRequest } from '../input/index.ts';
import type { TokenChange } from '../tokens/index.ts';
import type { Elevation } from './elevation.ts';

/**
 * Of inserts that would leave two pending elevations of one `askDigest`, one alone is committed, in whichever processes they are made:
 * the others meet the conflict `already-exists`. Of replacements of one version one alone is committed: the others meet
 * `version-changed`. A replacement announces the record's epoch, so that a token under an older one is dead in every process.
 */
export type ElevationChange = RecordChange<'elevation', Elevation>;

export interface ElevationStore
  extends CommitPort<
    ElevationChange | ExpectVersion | Extract<TokenChange, { kind: 'insert-token' | 'use-once' }>
  > {
  findElevation(id: string): Promise<Elevation | undefined>;
  /** The one that is recorded as pending for such an ask, whether or not its time has passed. */
  findPendingElevation(askDigest: string): Promise<Elevation | undefined>;
  /** By `ELEVATION_FACETS`, in order of age. */
  listElevations(page: PageRequest): Promise<Page<Elevation>>;
}
