import type { AuditRow, LaneHead } from './chain.ts';
import type { Cuts } from './cut.ts';
import type { CommitPort } from './unit-of-commit.ts';

/** Where a row is. */
export interface RowPlace {
  readonly lane: string;
  readonly seq: number;
}

/** Which rows are asked for. */
export interface RowsRequest {
  /** How many at most. */
  readonly limit: number;
  /** The row after which the page begins, going back in time; from the newest where absent. */
  readonly after?: RowPlace;
  /** What each is, see `facetsOfEvent`. The rarest first: it is looked up by that. */
  readonly facets: readonly string[];
  /**
   * Committed from then on, or before then; milliseconds since the epoch. To the moment of the event and not of its commit where
   * the store keeps no other, which may be seconds apart where several processes write.
   */
  readonly since?: number;
  readonly before?: number;
}

/** Reads the trail. Rows are written only as part of a unit of commit; a unit may consist of nothing else. */
export interface AuditStore extends CommitPort<never> {
  /** The rows of one lane in order, from `fromSeq` on. */
  readLane(lane: string, fromSeq: number, limit: number): Promise<readonly AuditRow[]>;
  /** Every lane with its last row, in order of age. */
  listLanes(): Promise<readonly LaneHead[]>;
  /** Where lanes begin of which older rows were removed. */
  readCuts(): Promise<Cuts>;
  /** The newest rows of all lanes, newest first; only such as no crash and no failover can take back. */
  readNewest(limit: number): Promise<readonly AuditRow[]>;
  /** Rows of all lanes, newest first; undefined when there is no row where the page is to begin. */
  listRows(request: RowsRequest): Promise<readonly AuditRow[] | undefined>;
  /** The rows that record that a request was refused: few, as a request is refused once. */
  findRefusals(requestId: string): Promise<readonly AuditRow[]>;
}
