import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AuditRow, Cuts, LaneCut, LaneHead, RowsRequest } from '../../audit/index.ts';

/** How the trail is read, in whatever transaction is open. */
export function prepareTrailReads(database: DatabaseSync) {
  const lane = database.prepare(
    'SELECT lane, seq, body, hash FROM audit WHERE lane = ? AND seq >= ? ORDER BY seq LIMIT ?',
  );
  // Jumps from lane to lane along the index: a trail has millions of rows and few lanes.
  const lanes = database.prepare(
    `WITH RECURSIVE found(lane) AS (
       SELECT min(lane) FROM audit
       UNION ALL SELECT (SELECT min(lane) FROM audit WHERE lane > found.lane) FROM found WHERE found.lane IS NOT NULL)
     SELECT head.lane, head.seq, head.hash FROM found
     JOIN audit AS head ON head.lane = found.lane AND head.seq = (SELECT max(seq) FROM audit WHERE lane = found.lane)
     ORDER BY (SELECT position FROM audit WHERE lane = found.lane ORDER BY seq LIMIT 1)`,
  );
  const newest = database.prepare('SELECT lane, seq, body, hash FROM audit ORDER BY position DESC LIMIT ?');
  const refusals = database.prepare(
    'SELECT lane, seq, body, hash FROM audit WHERE refused_request = ? ORDER BY position LIMIT 10',
  );
  const positionOf = database.prepare('SELECT position FROM audit WHERE lane = ? AND seq = ?');
  const ends = database.prepare(
    'SELECT (SELECT min(position) FROM audit) AS first, (SELECT max(position) FROM audit) AS last',
  );
  const timeFrom = database.prepare(
    "SELECT position, body ->> '$.event.at' AS at FROM audit WHERE position >= ? ORDER BY position LIMIT 1",
  );
  const lists = new Map<string, StatementSync>();

  /** The first position with an event of that time or later: rows are in order of time, but for what processes differ by. */
  function positionAt(at: number): number {
    const { first, last } = ends.get() as { first: number | null; last: number | null };
    let [low, high] = [first ?? 0, (last ?? 0) + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = timeFrom.get(middle) as { position: number; at: number } | undefined;
      if (row && row.at < at) low = row.position + 1;
      else high = middle;
    }
    return low;
  }

  function listRows({ limit, after, facets, since, before }: RowsRequest): AuditRow[] | undefined {
    const start = after && positionOf.get(after.lane, after.seq);
    if (after && !start) return undefined;
    const end = Math.min(
      (start?.['position'] as number | undefined) ?? Number.MAX_SAFE_INTEGER,
      before === undefined ? Number.MAX_SAFE_INTEGER : positionAt(before),
    );
    const sql = rowsSql(facets.length);
    const list = lists.get(sql) ?? database.prepare(sql);
    lists.set(sql, list);
    const [facet = [], ...others] = facets;
    const values = [facet, end, since === undefined ? 0 : positionAt(since), ...others, limit].flat();
    return list.all(...values) as unknown as AuditRow[];
  }

  function cuts(): Cuts {
    // Older schemas, of a backup for one, have no cuts.
    if (!database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'audit_cut'").get())
      return { version: 0, cuts: [] };
    const rows = database
      .prepare('SELECT lane, seq, hash FROM audit_cut ORDER BY lane')
      .all() as unknown as LaneCut[];
    return {
      version: rows.find(({ lane }) => lane === '')?.seq ?? 0,
      cuts: rows.filter(({ lane }) => lane !== '').map(({ lane, seq, hash }) => ({ lane, seq, hash })),
    };
  }

  return {
    listRows,
    cuts,
    refusals: (requestId: string) => refusals.all(requestId) as unknown as AuditRow[],
    lane: (name: string, fromSeq: number, limit: number) =>
      lane.all(name, fromSeq, limit) as unknown as AuditRow[],
    lanes: () => lanes.all() as unknown as LaneHead[],
    newest: (limit: number) => newest.all(limit) as unknown as AuditRow[],
  };
}

/**
 * The statement that lists rows, newest first: a walk along the trail, or along the first facet with the others looked up
 * (`CROSS JOIN` keeps the order in which it is written).
 */
export function rowsSql(facets: number): string {
  if (facets === 0) {
    return `SELECT lane, seq, body, hash FROM audit
      WHERE position < ? AND position >= ? ORDER BY position DESC LIMIT ?`;
  }
  const has = 'AND EXISTS (SELECT 1 FROM audit_facet WHERE facet = ? AND position = f.position)';
  return `SELECT a.lane, a.seq, a.body, a.hash FROM audit_facet f CROSS JOIN audit a ON a.position = f.position
    WHERE f.facet = ? AND f.position < ? AND f.position >= ? ${has.repeat(facets - 1)}
    ORDER BY f.position DESC LIMIT ?`;
}
