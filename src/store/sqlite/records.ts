import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ManagedRecord } from '../../audit/index.ts';
import { type Listed, type Page, type PageRequest, pageOf } from '../../input/index.ts';
import { RecordCache } from '../record-cache.ts';
import { listStatement } from './list-statement.ts';
import type { TurnReader } from './reader.ts';

/** How many records are read at once where all of them are. */
const ALL_AT_ONCE = 1_000;

/** A table of managed records, read through memory. */
export class Records<R extends ManagedRecord> {
  readonly #reader: TurnReader;
  readonly #byId: (id: string) => R | undefined;
  readonly #byKey: ((key: string) => R | undefined) | undefined;
  readonly #page: (request: PageRequest) => Listed<R>[];
  readonly #cache = new RecordCache<R>();
  readonly #cacheByKey = new RecordCache<R>();
  readonly #cacheOfAll = new RecordCache<R[]>(8);

  /**
   * @param table one of our own table names
   * @param keyColumn a column with a unique value by which records are found too
   */
  constructor(database: DatabaseSync, reader: TurnReader, table: string, keyColumn?: string) {
    this.#reader = reader;
    const byId = database.prepare(`SELECT payload FROM ${table} WHERE id = ?`);
    this.#byId = id => parse(byId.get(id));
    const pages = new Map<string, StatementSync>();
    this.#page = request => {
      const { sql, values } = listStatement(table, request);
      const page = pages.get(sql) ?? database.prepare(sql);
      pages.set(sql, page);
      return page.all(...values).map(row => ({
        record: parse(row) as R,
        ...(row['key'] !== undefined && { key: row['key'] as string | number }),
      }));
    };
    if (keyColumn) {
      const byKey = database.prepare(`SELECT payload FROM ${table} WHERE ${keyColumn} = ?`);
      this.#byKey = key => parse(byKey.get(key));
    }

    function parse(row: Record<string, unknown> | undefined): R | undefined {
      return row && (JSON.parse(row['payload'] as string) as R);
    }
  }

  find(id: string): Promise<R | undefined> {
    return this.#cache.find(id, () => this.#reader.read(() => this.#byId(id)));
  }

  findByKey(key: string): Promise<R | undefined> {
    return this.#cacheByKey.find(key, () => this.#reader.read(() => this.#byKey?.(key)));
  }

  async list(request: PageRequest): Promise<Page<R>> {
    return pageOf(await this.#reader.read(() => this.#page(request)), request.limit);
  }

  /**
   * Every record, oldest first, in one object until any record changes.
   *
   * @param facet only those with it, of which there must be few
   */
  async all(facet?: string): Promise<readonly R[]> {
    return (await this.#cacheOfAll.find(facet ?? '', () => this.#loadAll(facet))) ?? [];
  }

  async #loadAll(facet: string | undefined): Promise<R[]> {
    const wanted = { limit: ALL_AT_ONCE, ...(facet !== undefined && { facets: [facet] }) };
    const records: R[] = [];
    let page = await this.list(wanted);
    records.push(...page.items);
    while (page.next !== undefined) {
      page = await this.list({ ...wanted, after: page.next });
      records.push(...page.items);
    }
    return records;
  }

  /** Forgets a record that has changed. Which key it had is unknown here, so all keys are forgotten. */
  invalidate(id: string): void {
    this.#cache.invalidate(id);
    this.#cacheByKey.clear();
    this.#cacheOfAll.clear();
  }

  clear(): void {
    for (const cache of [this.#cache, this.#cacheByKey, this.#cacheOfAll]) cache.clear();
  }
}
