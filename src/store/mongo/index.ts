/**
 * The production store: MongoDB through mongoose, on a replica set. Any number of processes share it. A batch of units is one
 * transaction that a majority has on disk before anybody is told; each process hears of the others' changes by a change stream,
 * and proves before each answer that it has heard everything.
 */
import type { ClientSession } from 'mongoose';
import type { Agent } from '../../agents/index.ts';
import type { AuditRow, CommitOutcome, LaneHead, Unit } from '../../audit/index.ts';
import type { SigningKey } from '../../keys/index.ts';
import type { Page, PageRequest } from '../../paging.ts';
import type { Person } from '../../people/index.ts';
import type { StoredEngineRecord } from '../../provider/engine-store.ts';
import { type Resource, withoutTrailingSlash } from '../../resources/index.ts';
import type { TokenId, TokenRecord } from '../../tokens/index.ts';
import { CommitQueue } from '../commit-queue.ts';
import { EpochRegistry } from '../epoch-registry.ts';
import type { Change, Store, StoreOptions } from '../store.ts';
import { UseNotes } from '../use-notes.ts';
import { BatchApplier } from './apply-batch.ts';
import {
  type AuditDocument,
  type Database,
  describeUri,
  nativeDatabase,
  openDatabase,
  type TokenDocument,
} from './database.ts';
import { EngineRecords } from './engine-records.ts';
import { Feed } from './feed.ts';
import { assertSchemaVersion } from './migrations.ts';
import { read, trustedFilter } from './read.ts';
import { Records } from './records.ts';

export { migrateMongo } from './migrations.ts';

/**
 * Opens the database. Its schema must be up to date: see `migrateMongo`.
 *
 * @param uri names the database
 * @throws when it cannot be reached, or has another schema version
 */
export async function openMongoStore(uri: string, options: StoreOptions): Promise<Store> {
  const database = await openDatabase(uri);
  try {
    const db = nativeDatabase(database.connection);
    await assertSchemaVersion(db);
    const { version } = await db.admin().serverInfo();
    const description = `MongoDB ${version} at ${describeUri(uri)}`;
    const store = new MongoStore(database, await database.connection.startSession(), description, options);
    await store.open();
    return store;
  } catch (error) {
    await database.connection.close(true);
    throw error;
  }
}

class MongoStore implements Store {
  readonly description: string;
  readonly epochs = new EpochRegistry();
  readonly #options: StoreOptions;
  readonly #database: Database;
  readonly #session: ClientSession;
  readonly #feed: Feed;
  readonly #queue: CommitQueue<Change>;
  readonly #agents: Records<Agent>;
  readonly #people: Records<Person>;
  readonly #resources: Records<Resource>;
  readonly #signingKeys: Records<SigningKey>;
  readonly #recordsByPrefix: ReadonlyMap<string, Pick<Records<Agent>, 'invalidate' | 'clear'>>;
  readonly #engineRecords: EngineRecords;
  readonly #uses: UseNotes;

  constructor(database: Database, session: ClientSession, description: string, options: StoreOptions) {
    this.description = description;
    this.#options = options;
    this.#database = database;
    this.#session = session;
    this.#agents = new Records(database.agent);
    this.#people = new Records(database.person);
    this.#resources = new Records(database.resource, 'identifierKey');
    this.#signingKeys = new Records(database.signingKey);
    this.#recordsByPrefix = new Map<string, Pick<Records<Agent>, 'invalidate' | 'clear'>>([
      ['agt_', this.#agents],
      ['usr_', this.#people],
      ['res_', this.#resources],
      ['key_', this.#signingKeys],
    ]);
    this.#feed = new Feed(
      database,
      options.lane,
      this.epochs,
      options.now,
      id => this.#recordsByPrefix.get(id.slice(0, 4))?.invalidate(id),
      () => this.#forgetRecords(),
    );
    const applier = new BatchApplier(database, session, options.lane, options.now, announcement =>
      this.#feed.hear(announcement),
    );
    this.#queue = new CommitQueue(units => applier.apply(units));
    this.#engineRecords = new EngineRecords(database.engineRecord);
    this.#uses = new UseNotes(uses => this.#writeUses(uses));
  }

  async open(): Promise<void> {
    try {
      await this.#feed.open();
      await this.commit({
        changes: [],
        events: [
          {
            type: 'lane.opened',
            outcome: 'done',
            at: this.#options.now(),
            requestId: this.#options.lane,
            detail: { pid: process.pid },
          },
        ],
      });
    } catch (error) {
      await this.#feed.close();
      throw error;
    }
  }

  commit(unit: Unit<Change>): Promise<CommitOutcome> {
    return this.#queue.commit(unit);
  }

  fresh(): Promise<void> {
    return this.#feed.fresh();
  }

  async findToken(jti: TokenId): Promise<TokenRecord | undefined> {
    // A token never changes, so it may be read while it is found out what has been cut off.
    const [document] = await Promise.all([
      read(() => this.#database.token.findById(String(jti)).read('primary').lean<TokenDocument>()),
      this.#feed.fresh(),
    ]);
    return document ? toToken(document) : undefined;
  }

  async listTokens(clientId: string, limit: number): Promise<readonly TokenRecord[]> {
    const documents = await read(() =>
      this.#database.token
        .find(
          trustedFilter({ clientId: String(clientId), expiresAt: { $gt: new Date(this.#options.now()) } }),
        )
        .sort({ issuedAt: -1 })
        .limit(Number(limit))
        .lean<TokenDocument[]>(),
    );
    return documents.map(toToken);
  }

  findAgent(id: string): Promise<Agent | undefined> {
    return this.#agents.find(id);
  }

  listAgents(page: PageRequest): Promise<Page<Agent>> {
    return this.#agents.list(page);
  }

  noteUse(id: string, atMs: number): void {
    this.#uses.note(id, atMs);
  }

  async findLastUse(id: string): Promise<number | undefined> {
    return (
      this.#uses.latest(id) ?? (await read(() => this.#database.agentUse.findById(String(id)).lean()))?.usedAt
    );
  }

  findPerson(id: string): Promise<Person | undefined> {
    return this.#people.find(id);
  }

  listPeople(page: PageRequest): Promise<Page<Person>> {
    return this.#people.list(page);
  }

  findResource(id: string): Promise<Resource | undefined> {
    return this.#resources.find(id);
  }

  findResourceByIdentifier(identifier: string): Promise<Resource | undefined> {
    return this.#resources.findByKey(withoutTrailingSlash(identifier));
  }

  listResources(page: PageRequest): Promise<Page<Resource>> {
    return this.#resources.list(page);
  }

  findSigningKey(id: string): Promise<SigningKey | undefined> {
    return this.#signingKeys.find(id);
  }

  listSigningKeys(): Promise<readonly SigningKey[]> {
    return this.#signingKeys.all();
  }

  findEngineRecord(model: string, key: string): Promise<StoredEngineRecord | undefined> {
    return this.#engineRecords.find(model, key);
  }

  findEngineRecordByUid(model: string, uid: string): Promise<StoredEngineRecord | undefined> {
    return this.#engineRecords.findByUid(model, uid);
  }

  async readLane(lane: string, fromSeq: number, limit: number): Promise<readonly AuditRow[]> {
    const documents = await read(() =>
      this.#database.audit
        .find(trustedFilter({ lane: String(lane), seq: { $gte: Number(fromSeq) } }))
        .sort({ seq: 1 })
        .limit(Number(limit))
        .lean<AuditDocument[]>(),
    );
    return documents.map(toRow);
  }

  async listLanes(): Promise<readonly LaneHead[]> {
    const firstRows = await read(() =>
      this.#database.audit.find({ seq: 1 }, { lane: 1 }).sort({ committedAt: 1 }).lean<AuditDocument[]>(),
    );
    const heads: LaneHead[] = [];
    for (const { lane } of firstRows) {
      const last = await read(() =>
        this.#database.audit.findOne({ lane }).sort({ seq: -1 }).lean<AuditDocument>(),
      );
      if (last) heads.push({ lane, seq: last.seq, hash: last.hash });
    }
    return heads;
  }

  async readNewest(limit: number): Promise<readonly AuditRow[]> {
    const documents = await read(() =>
      this.#database.audit
        .find()
        .sort({ committedAt: -1, _id: -1 })
        .limit(Number(limit))
        .lean<AuditDocument[]>(),
    );
    return documents.map(toRow);
  }

  /** MongoDB deletes what has expired by itself, by the indexes of `migrations.ts`. */
  sweep(): Promise<number> {
    return Promise.resolve(0);
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await this.#uses.close();
    await this.#feed.close();
    await this.#session.endSession();
    await this.#database.connection.close();
  }

  async #writeUses(uses: ReadonlyMap<string, number>): Promise<void> {
    await this.#database.agentUse.bulkWrite(
      [...uses].map(([id, usedAt]) => ({
        updateOne: {
          filter: { _id: String(id) },
          update: { $max: { usedAt: Number(usedAt) } },
          upsert: true,
        },
      })),
      { ordered: false },
    );
  }

  #forgetRecords(): void {
    for (const records of this.#recordsByPrefix.values()) records.clear();
  }
}

function toToken(document: TokenDocument): TokenRecord {
  return {
    jti: document._id as TokenId,
    clientId: document.clientId,
    resourceId: document.resourceId,
    issuedAt: document.issuedAt,
    expiresAt: Math.floor(document.expiresAt.getTime() / 1000),
    lineage: document.lineage,
    answer: document.answer,
  };
}

function toRow({ lane, seq, body, hash }: AuditDocument): AuditRow {
  return { lane, seq, body, hash };
}
