import type { ManagedRecord } from '../../audit/index.ts';
import { type Page, type PageRequest, pageOf } from '../../paging.ts';
import { RecordCache } from '../record-cache.ts';
import type { RecordDocument, RecordModel } from './database.ts';
import { read, trustedFilter } from './read.ts';

/** A collection of managed records, read through memory. */
export class Records<R extends ManagedRecord> {
  readonly #model: RecordModel;
  readonly #keyField: 'identifierKey' | undefined;
  readonly #cache = new RecordCache<R>();
  readonly #cacheByKey = new RecordCache<R>();
  readonly #cacheOfAll = new RecordCache<R[]>(1);

  /** @param keyField a field with a unique value by which records are found too */
  constructor(model: RecordModel, keyField?: 'identifierKey') {
    this.#model = model;
    this.#keyField = keyField;
  }

  find(id: string): Promise<R | undefined> {
    return this.#cache.find(id, () => this.#load({ _id: String(id) }));
  }

  findByKey(key: string): Promise<R | undefined> {
    const field = this.#keyField;
    if (!field) return Promise.resolve(undefined);
    return this.#cacheByKey.find(key, () => this.#load({ [field]: String(key) }));
  }

  async list({ after = '', limit }: PageRequest): Promise<Page<R>> {
    const documents = await read(() =>
      this.#model
        .find(trustedFilter({ _id: { $gt: String(after) } }))
        .sort({ _id: 1 })
        .limit(Number(limit) + 1)
        .lean<RecordDocument[]>(),
    );
    return pageOf(
      documents.map(document => parse<R>(document)),
      limit,
    );
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

  async #load(filter: Readonly<Record<string, string>>): Promise<R | undefined> {
    const document = await read(() => this.#model.findOne(filter).lean<RecordDocument>());
    return document ? parse<R>(document) : undefined;
  }
}

function parse<R>(document: RecordDocument): R {
  return JSON.parse(document.payload) as R;
}
