import type { Model } from 'mongoose';
import type { ManagedRecord } from '../../audit/index.ts';
import {
  cursorOf,
  endOfPrefix,
  type Listed,
  type Page,
  type PageRequest,
  pageOf,
  readCursor,
} from '../../input/index.ts';
import { RecordCache } from '../record-cache.ts';
import { ANY_RECORD } from '../record-facets.ts';
import type { AgentUseDocument, RecordDocument, RecordModel } from './database.ts';
import { read, trustedFilter } from './read.ts';

/** How many records are read at once where all of them are. */
const ALL_AT_ONCE = 1_000;

/** A field with a unique value by which records are found too. */
type KeyField = 'identifierKey' | 'emailKey' | 'activeKey' | 'pendingKey';

/** A collection of managed records, read through memory. */
export class Records<R extends ManagedRecord> {
  readonly #model: RecordModel;
  readonly #keyField: KeyField | undefined;
  readonly #uses: Model<AgentUseDocument> | undefined;
  readonly #cache = new RecordCache<R>();
  readonly #cacheByKey = new RecordCache<R>();
  readonly #cacheOfAll = new RecordCache<R[]>(8);

  /**
   * @param options `keyField` is a field with a unique value by which records are found too; `uses` are the notes of when each
   * was last used
   */
  constructor(
    model: RecordModel,
    options: {
      readonly keyField?: KeyField;
      readonly uses?: Model<AgentUseDocument>;
    } = {},
  ) {
    this.#model = model;
    this.#keyField = options.keyField;
    this.#uses = options.uses;
  }

  find(id: string): Promise<R | undefined> {
    return this.#cache.find(id, () => this.#load({ _id: String(id) }));
  }

  findByKey(key: string): Promise<R | undefined> {
    const field = this.#keyField;
    if (!field) return Promise.resolve(undefined);
    return this.#cacheByKey.find(key, () => this.#load({ [field]: String(key) }));
  }

  async list(request: PageRequest): Promise<Page<R>> {
    const { limit, order = 'id' } = request;
    if (order === 'lastUsed') return read(() => this.#listByUse(request));
    return pageOf(await read(() => this.#listByIndex(request, order)), limit);
  }

  /** Walks along `_id`, or an index that begins with the first facet. */
  async #listByIndex(request: PageRequest, order: 'id' | '-id' | 'name'): Promise<Listed<R>[]> {
    const documents = await this.#model
      .find(listFilter(request, order))
      .sort(order === 'name' ? { nameKey: 1, _id: 1 } : { _id: order === 'id' ? 1 : -1 })
      .limit(Number(request.limit) + 1)
      .lean<RecordDocument[]>();
    return documents.map(document => ({
      record: parse<R>(document),
      ...(order === 'name' && { key: document.nameKey ?? '' }),
    }));
  }

  /** Walks along the notes of use, from the oldest. A page is what is left of those that were looked at. */
  async #listByUse({ limit, after, facets, lastUsedBefore }: PageRequest): Promise<Page<R>> {
    const cursor = after === undefined ? undefined : readCursor(after);
    const since = Number(cursor?.key ?? 0);
    const end = lastUsedBefore === undefined ? {} : { idleSince: { $lt: Number(lastUsedBefore) } };
    const start = cursor && {
      $or: [{ idleSince: { $gt: since } }, { idleSince: since, _id: { $gt: cursor.id } }],
    };
    const found = await this.#uses
      ?.find(trustedFilter({ ...end, ...start }))
      .sort({ idleSince: 1, _id: 1 })
      .limit(Number(limit) + 1)
      .lean<AgentUseDocument[]>();
    const uses = (found ?? []).slice(0, limit);
    const documents = await this.#model
      .find(trustedFilter({ _id: { $in: uses.map(({ _id }) => _id) }, ...facetFilter(facets) }))
      .lean<RecordDocument[]>();
    const byId = new Map(documents.map(document => [document._id, parse<R>(document)]));
    const last = uses.at(-1);
    return {
      items: uses.map(({ _id }) => byId.get(_id)).filter(record => record !== undefined),
      ...((found ?? []).length > limit && last && { next: cursorOf({ id: last._id, key: last.idleSince }) }),
    };
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

  async #load(filter: Readonly<Record<string, string>>): Promise<R | undefined> {
    const document = await read(() => this.#model.findOne(filter).lean<RecordDocument>());
    return document ? parse<R>(document) : undefined;
  }
}

function parse<R>(document: RecordDocument): R {
  return JSON.parse(document.payload) as R;
}

function listFilter({ after, facets = [], namePrefix }: PageRequest, order: 'id' | '-id' | 'name') {
  const cursor = after === undefined ? undefined : readCursor(after);
  if (order !== 'name') {
    const start = cursor && { _id: order === 'id' ? { $gt: cursor.id } : { $lt: cursor.id } };
    return trustedFilter<RecordDocument>({ ...facetFilter(facets), ...start });
  }
  const key = cursor?.key ?? '';
  const range = namePrefix !== undefined && { nameKey: { $gte: namePrefix, $lt: endOfPrefix(namePrefix) } };
  const start = cursor && { $or: [{ nameKey: { $gt: key } }, { nameKey: key, _id: { $gt: cursor.id } }] };
  // Every record has one facet at least, so that this order needs no index of its own.
  const indexed = facets.length > 0 ? facets : [ANY_RECORD];
  return trustedFilter<RecordDocument>({ ...facetFilter(indexed), ...range, ...start });
}

function facetFilter(facets: readonly string[] = []): { facets?: object } {
  return facets.length === 0 ? {} : { facets: { $all: facets.map(String) } };
}
