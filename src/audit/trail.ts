import type { AuditEvent } from './audit-event.ts';
import type { AuditStore } from './audit-store.ts';
import type { AuditRow } from './chain.ts';
import { readCutsLine } from './cut.ts';
import { readLines } from './read-lines.ts';

const ROWS_PER_PAGE = 1_000;

/**
 * The rows of a trail, wherever they are kept. Lanes may come one after the other or mixed; the rows of one lane come in the
 * order in which they are kept. Where the beginning of a lane was removed, the cuts of the store come before its rows (`cut.ts`). Nothing is believed of a row before it has been verified, not even its shape.
 */
export interface Trail {
  rows(): AsyncIterable<readonly unknown[]>;
}

/** A part of a trail. What is left out of a lane at its beginning or in between cannot be verified; at its end it can. */
export interface TrailRange {
  /** This lane alone. */
  readonly lane?: string | undefined;
  /** Only rows with greater numbers. */
  readonly after?: ((lane: string) => number | undefined) | undefined;
  /** Only events decided then or later, in milliseconds since the epoch. */
  readonly since?: number | undefined;
  /** Only events decided before, in milliseconds since the epoch. */
  readonly until?: number | undefined;
}

/** The trail in a store, lane by lane. What is appended meanwhile may be part of it or not. */
export function storeTrail(
  store: Pick<AuditStore, 'listLanes' | 'readLane' | 'readCuts'>,
  { lane: only, after, ...times }: TrailRange = {},
): Trail {
  const isWhole = times.since === undefined && times.until === undefined;
  return {
    async *rows() {
      for (const { lane } of await store.listLanes()) {
        if (only !== undefined && lane !== only) continue;
        const known = after?.(lane);
        // From below 1, where no row of ours can be.
        let from = known === undefined ? Number.MIN_SAFE_INTEGER : known + 1;
        let expected = (known ?? 0) + 1;
        for (;;) {
          const page = await store.readLane(lane, from, ROWS_PER_PAGE);
          const [first] = page;
          // Rows are removed after the cut was moved: whoever misses some finds it moved.
          const cuts = first && first.seq > expected ? (await store.readCuts()).cuts : [];
          if (cuts.length > 0) yield [{ cuts }];
          if (page.length > 0) yield isWhole ? page : page.filter(row => isWithin(row, times));
          const last = page.at(-1);
          if (!last || page.length < ROWS_PER_PAGE) break;
          if (!(last.seq >= from)) throw new Error(`the rows of lane ${lane} do not come in order`);
          from = last.seq + 1;
          expected = from;
        }
      }
    },
  };
}

/** Whether a row's event was decided in a span of time. A row that cannot be read is in every span: it must not be passed over. */
export function isWithin({ body }: AuditRow, { since, until }: Pick<TrailRange, 'since' | 'until'>): boolean {
  if (since === undefined && until === undefined) return true;
  const at = decidedAt(body);
  return at === undefined || ((since === undefined || at >= since) && (until === undefined || at < until));
}

/** When the event of a row was decided, in milliseconds since the epoch. */
export function decidedAt(body: string): number | undefined {
  const at = (parseLine(body) as { readonly event?: Partial<AuditEvent> } | undefined | null)?.event?.at;
  return typeof at === 'number' ? at : undefined;
}

/** An exported trail: one row a line, as JSON (see `trailLines`). */
export function fileTrail(file: string): Trail {
  return {
    async *rows() {
      for await (const { lines } of readLines(file)) yield lines.map(parseLine);
    },
  };
}

/**
 * How far an export has come, so that it can go on: the greatest number of each lane, and the size of its whole lines in bytes. What
 * comes after them is a line that was cut off while it was written.
 *
 * @throws {Error} when the file cannot be read, or has a line that is no row
 */
export async function readExportEnd(
  file: string,
): Promise<{ readonly lanes: ReadonlyMap<string, number>; readonly wholeSize: number }> {
  const lanes = new Map<string, number>();
  let wholeSize = 0;
  let number = 0;
  for await (const { lines, isCut } of readLines(file)) {
    if (isCut) break;
    for (const text of lines) {
      number += 1;
      wholeSize += Buffer.byteLength(text) + 1;
      const line = parseLine(text);
      if (readCutsLine(line)) continue;
      const row = line as Partial<AuditRow> | null | undefined;
      if (typeof row?.lane !== 'string' || typeof row.seq !== 'number')
        throw new Error(`${file} is no exported trail: line ${number} is no row`);
      lanes.set(row.lane, Math.max(lanes.get(row.lane) ?? 0, row.seq));
    }
  }
  return { lanes, wholeSize };
}

/** Exports a trail: text to write to a file that `fileTrail` reads. */
export async function* trailLines(trail: Trail): AsyncGenerator<string> {
  for await (const rows of trail.rows()) yield rows.map(row => `${JSON.stringify(row)}\n`).join('');
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** What is kept of a trail's batch: its rows, without what is said of cuts. */
export function rowsOf(batch: readonly unknown[]): readonly AuditRow[] {
  return batch.filter(line => !readCutsLine(line)) as readonly AuditRow[];
}
