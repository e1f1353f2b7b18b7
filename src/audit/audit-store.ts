import type { AuditRow, LaneHead } from './chain.ts';
import type { CommitPort } from './unit-of-commit.ts';

/** Reads the trail. Rows are written only as part of a unit of commit; a unit may consist of nothing else. */
export interface AuditStore extends CommitPort<never> {
  /** The rows of one lane in order, from `fromSeq` on. */
  readLane(lane: string, fromSeq: number, limit: number): Promise<readonly AuditRow[]>;
  /** Every lane with its last row, in order of age. */
  listLanes(): Promise<readonly LaneHead[]>;
  /** The newest rows of all lanes, newest first. */
  readNewest(limit: number): Promise<readonly AuditRow[]>;
}
