import type { DatabaseSync } from 'node:sqlite';
import { facetsOfEvent } from '../../audit/event-facets.ts';

/**
 * Removes the oldest rows of a lane, up to its cut: a trigger refuses every other.
 *
 * @returns how many were removed
 */
export function removeCutRows(database: DatabaseSync, lane: string, limit: number): number {
  const rows = database
    .prepare(
      `SELECT position, body FROM audit WHERE lane = ?1
       AND seq <= (SELECT seq FROM audit_cut WHERE lane = ?1) ORDER BY seq LIMIT ?2`,
    )
    .all(lane, limit) as { position: number; body: string }[];
  const unfile = database.prepare('DELETE FROM audit_facet WHERE facet = ? AND position = ?');
  const remove = database.prepare('DELETE FROM audit WHERE position = ?');
  for (const { position, body } of rows) {
    for (const facet of facetsOfEvent(body)) unfile.run(facet, position);
    remove.run(position);
  }
  return rows.length;
}
