import type { AuditStore } from './audit-store.ts';
import { readLines } from './read-lines.ts';

const ROWS_PER_PAGE = 1_000;

/**
 * The rows of a trail, wherever they are kept. Lanes may come one after the other or mixed; the rows of one lane come in the
 * order in which they are kept. Nothing is believed of a row before it has been verified, not even its shape.
 */
export interface Trail {
  rows(): AsyncIterable<readonly unknown[]>;
}

/** The trail in a store, lane by lane. What is appended meanwhile may be part of it or not. */
export function storeTrail(store: Pick<AuditStore, 'listLanes' | 'readLane'>): Trail {
  return {
    async *rows() {
      for (const { lane } of await store.listLanes()) {
        // From below 1, where no row of ours can be.
        let from = Number.MIN_SAFE_INTEGER;
        for (;;) {
          const page = await store.readLane(lane, from, ROWS_PER_PAGE);
          if (page.length > 0) yield page;
          const last = page.at(-1);
          if (!last || page.length < ROWS_PER_PAGE) break;
          if (!(last.seq >= from)) throw new Error(`the rows of lane ${lane} do not come in order`);
          from = last.seq + 1;
        }
      }
    },
  };
}

/** An exported trail: one row a line, as JSON (see `trailLines`). */
export function fileTrail(file: string): Trail {
  return {
    async *rows() {
      for await (const { lines } of readLines(file)) yield lines.map(parseLine);
    },
  };
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
