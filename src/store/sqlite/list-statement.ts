import { endOfPrefix, type PageRequest, readCursor } from '../../input/index.ts';
import { ANY_RECORD } from '../record-facets.ts';
import { facetText } from './file-record.ts';

/** Comes after every identifier. */
const BEYOND_ALL_IDS = '~';

/** A statement that lists records, and what it is run with. Each row has `payload`, and `key` where the order is by more than `id`. */
export interface ListStatement {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/**
 * The statement for one page, and one record more. Whatever is asked for, it walks along one index in its order from where the
 * page begins, and looks up the rest by key: nothing is scanned or sorted (`CROSS JOIN` keeps the order in which it is written).
 *
 * @param table one of our own table names; the collection has the same
 */
export function listStatement(table: string, request: PageRequest): ListStatement {
  const { limit, after, order = 'id', facets = [] } = request;
  const cursor = after === undefined ? undefined : readCursor(after);
  const texts = facets.map(facet => facetText(table, facet));
  switch (order) {
    case 'id':
    case '-id': {
      const [direction, beyond, start] = order === 'id' ? ['ASC', '>', ''] : ['DESC', '<', BEYOND_ALL_IDS];
      const id = cursor?.id ?? start;
      const [first, ...others] = texts;
      if (first === undefined) {
        const sql = `SELECT payload FROM ${table} WHERE id ${beyond} ? ORDER BY id ${direction} LIMIT ?`;
        return { sql, values: [id, limit + 1] };
      }
      return {
        sql: `SELECT r.payload FROM record_facet f CROSS JOIN ${table} r ON r.id = f.id
          WHERE f.facet = ? AND f.id ${beyond} ?${others.map(() => has('f.id')).join('')}
          ORDER BY f.id ${direction} LIMIT ?`,
        values: [first, id, ...others, limit + 1],
      };
    }
    case 'name': {
      const [first = facetText(table, ANY_RECORD), ...others] = texts;
      const prefix = request.namePrefix;
      return {
        sql: `SELECT r.payload, f.name_key AS key FROM record_facet f CROSS JOIN ${table} r ON r.id = f.id
          WHERE f.facet = ? AND (f.name_key, f.id) > (?, ?)${prefix === undefined ? '' : ' AND f.name_key < ?'}
          ${others.map(() => has('f.id')).join('')}
          ORDER BY f.name_key, f.id LIMIT ?`,
        values: [
          first,
          cursor?.key ?? prefix ?? '',
          cursor?.id ?? '',
          ...(prefix === undefined ? [] : [endOfPrefix(prefix)]),
          ...others,
          limit + 1,
        ],
      };
    }
    case 'lastUsed':
      return {
        sql: `SELECT r.payload, u.idle_since AS key FROM agent_use u CROSS JOIN ${table} r ON r.id = u.agent_id
          WHERE (u.idle_since, u.agent_id) > (?, ?) AND u.idle_since < ?${texts.map(() => has('u.agent_id')).join('')}
          ORDER BY u.idle_since, u.agent_id LIMIT ?`,
        values: [
          Number(cursor?.key ?? 0),
          cursor?.id ?? '',
          request.lastUsedBefore ?? Number.MAX_SAFE_INTEGER,
          ...texts,
          limit + 1,
        ],
      };
  }
}

function has(id: string): string {
  return ` AND EXISTS (SELECT 1 FROM record_facet WHERE facet = ? AND id = ${id})`;
}
