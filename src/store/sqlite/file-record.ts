import type { ManagedRecord } from '../../audit/index.ts';
import { type FiledCollection, fileRecord } from '../record-facets.ts';

/** Writes by what records are found. */
export class RecordFiler {
  readonly #run: (sql: string, ...values: (string | number)[]) => void;

  /** @param run runs a statement in the open transaction */
  constructor(run: (sql: string, ...values: (string | number)[]) => void) {
    this.#run = run;
  }

  /** Files a new record. */
  file(collection: FiledCollection, record: ManagedRecord): void {
    const { facets, nameKey } = fileRecord(collection, record);
    for (const facet of facets) {
      this.#run(
        'INSERT INTO record_facet(facet, id, name_key) VALUES (?, ?, ?)',
        facetText(collection, facet),
        record.id,
        nameKey,
      );
    }
    if (collection === 'agent') {
      const sql =
        'INSERT INTO agent_use(agent_id, used_at, idle_since) VALUES (?, 0, ?) ON CONFLICT DO NOTHING';
      this.#run(sql, record.id, record.createdAt);
    }
  }

  /** Files a changed record anew. */
  refile(collection: FiledCollection, record: ManagedRecord): void {
    this.#run('DELETE FROM record_facet WHERE id = ?', record.id);
    this.file(collection, record);
  }
}

/** All collections are in one table. */
export function facetText(collection: string, facet: string): string {
  return `${collection} ${facet}`;
}
