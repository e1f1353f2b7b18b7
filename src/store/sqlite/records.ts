import type { DatabaseSync } from 'node:sqlite';
import type { ManagedRecord } from '../../audit/index.ts';
import { type Page, type PageRequest, pageOf } from '../../paging.ts';
import { RecordCache } from '../record-cache.ts';
import type { TurnReader } from './reader.ts';

/** A table of managed records, read through memory. */
export class Records<R extends ManagedRecord> {
  readonly #reader: TurnReader;
  readonly #byId: (id: string) => R | undefined;
  readonly #byKey: ((key: string) => R | undefined) | undefined;
  readonly #page: (after: string, limit: number) => R[];
  readonly #cache = new RecordCache<R>();
  readonly #cacheByKey = new RecordCache<R>();
  readonly #cacheOfAll = new RecordCache<R[]>(1);

  /**
   * @param table one of our own table names
   * @param keyColumn a column with a unique value by which records are found too
   */
  constructor(database: DatabaseSync, reader: TurnReader, table: string, keyColumn?: string) {
    this.#reader = reader;
    const byId = database.prepare(`SELECT payload FROM ${table} WHERE id = ?`);
    const page = database.prepare(`SELECT payload FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`);
    this.#byId = id => parse(byId.get(id));
    this.#page = (after, limit) => page.all(after, limit).map(row => parse(row) as R);
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

  async list({ after = '', limit }: PageRequest): Promise<Page<R>> {
    return pageOf(await this.#reader.read(() => this.#page(after, limit + 1)), limit);
  }

  /** Every record, oldest first, in one object until one of them changes. */
  async all(): Promise<readonly R[]> {
    return (
      (await this.#cacheOfAll.find('all', async () => (await this.list({ limit: 1_000 })).items as R[])) ?? []
    );
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
