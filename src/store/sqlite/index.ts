/**
 * The embedded store: one SQLite file through `node:sqlite`, in WAL mode at synchronous=FULL. A thread owns the writing
 * connection; the main thread reads. Several processes may share the file: each hears of the others' changes in the very
 * transaction that answers a question.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
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
import { RECORD_ANNOUNCED_MS, tokenKey } from './apply-unit.ts';
import { openForReading } from './database.ts';
import { EngineRecords } from './engine-records.ts';
import { Feed } from './feed.ts';
import { TurnReader } from './reader.ts';
import { Records } from './records.ts';
import { Writer } from './writer.ts';

/**
 * Opens the database file, creating it and bringing its schema up to date.
 *
 * @param path the file; its directory is created when it is missing
 * @throws when the file cannot be used, or was written by a newer version
 */
export async function openSqliteStore(path: string, options: StoreOptions): Promise<Store> {
  const file = resolve(path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // SQLite gives its other files the permissions of the first.
  closeSync(openSync(file, 'a', 0o600));
  const writer = await Writer.start({ path: file, lane: options.lane });
  const store = new SqliteStore(file, openForReading(file), writer, options);
  await store.open();
  return store;
}

class SqliteStore implements Store {
  readonly description: string;
  readonly epochs = new EpochRegistry();
  readonly #options: StoreOptions;
  readonly #writer: Writer;
  readonly #reader: TurnReader;
  readonly #queue: CommitQueue<Change>;
  readonly #agents: Records<Agent>;
  readonly #people: Records<Person>;
  readonly #resources: Records<Resource>;
  readonly #signingKeys: Records<SigningKey>;
  readonly #recordsByPrefix: ReadonlyMap<string, Pick<Records<Agent>, 'invalidate' | 'clear'>>;
  readonly #engineRecords: EngineRecords;
  readonly #uses: UseNotes;
  readonly #read: Reads;

  constructor(file: string, database: DatabaseSync, writer: Writer, options: StoreOptions) {
    this.description = `SQLite ${file}`;
    this.#options = options;
    this.#writer = writer;
    const feed = new Feed(
      database,
      this.epochs,
      id => this.#invalidate(id),
      () => this.#forgetRecords(),
    );
    this.#reader = new TurnReader(database, () => feed.hear(options.now()));
    this.#queue = new CommitQueue(units => writer.commit(units, options.now()));
    this.#agents = new Records(database, this.#reader, 'agent');
    this.#people = new Records(database, this.#reader, 'person');
    this.#resources = new Records(database, this.#reader, 'resource', 'identifier_key');
    this.#signingKeys = new Records(database, this.#reader, 'signing_key');
    this.#recordsByPrefix = new Map<string, Pick<Records<Agent>, 'invalidate' | 'clear'>>([
      ['agt_', this.#agents],
      ['usr_', this.#people],
      ['res_', this.#resources],
      ['key_', this.#signingKeys],
    ]);
    this.#engineRecords = new EngineRecords(database, this.#reader);
    this.#uses = new UseNotes(uses => writer.noteUses(uses));
    this.#read = prepareReads(database);
  }

  async open(): Promise<void> {
    await this.fresh();
    const now = this.#options.now();
    await this.commit({
      changes: [],
      events: [
        {
          type: 'lane.opened',
          outcome: 'done',
          at: now,
          requestId: this.#options.lane,
          detail: { pid: process.pid },
        },
      ],
    });
  }

  async commit(unit: Unit<Change>): Promise<CommitOutcome> {
    const outcome = await this.#queue.commit(unit);
    if (outcome.committed) this.#raiseEpochs(unit.changes);
    return outcome;
  }

  fresh(): Promise<void> {
    return this.#reader.read(() => undefined);
  }

  findToken(jti: TokenId): Promise<TokenRecord | undefined> {
    return this.#reader.read(() => this.#read.token(jti));
  }

  listTokens(clientId: string, limit: number): Promise<readonly TokenRecord[]> {
    return this.#reader.read(() =>
      this.#read.tokensOf(clientId, Math.floor(this.#options.now() / 1000), limit),
    );
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
    return this.#uses.latest(id) ?? (await this.#reader.read(() => this.#read.lastUse(id)));
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

  readLane(lane: string, fromSeq: number, limit: number): Promise<readonly AuditRow[]> {
    return this.#reader.read(() => this.#read.lane(lane, fromSeq, limit));
  }

  listLanes(): Promise<readonly LaneHead[]> {
    return this.#reader.read(() => this.#read.lanes());
  }

  readNewest(limit: number): Promise<readonly AuditRow[]> {
    return this.#reader.read(() => this.#read.newest(limit));
  }

  sweep(): Promise<number> {
    return this.#writer.sweep(this.#options.now());
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await this.#uses.close();
    await this.#writer.close();
    this.#reader.close();
  }

  /** What this process has committed it knows at once; what others have, it hears of in the feed. */
  #raiseEpochs(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'cut-off') this.epochs.raise(change.id, change.epoch, change.forgetAt);
      else if (change.kind === 'replace') {
        this.epochs.raise(change.record.id, change.record.epoch, this.#options.now() + RECORD_ANNOUNCED_MS);
        this.#invalidate(change.record.id);
      }
    }
  }

  #invalidate(id: string): void {
    this.#recordsByPrefix.get(id.slice(0, 4))?.invalidate(id);
  }

  #forgetRecords(): void {
    for (const records of this.#recordsByPrefix.values()) records.clear();
  }
}

type Reads = ReturnType<typeof prepareReads>;

/** The point reads and lists that are not of managed records. Each runs in the turn's transaction. */
function prepareReads(database: DatabaseSync) {
  const token = database.prepare(
    'SELECT client_id, resource_id, issued_at, expires_at, lineage, answer FROM token WHERE key = ?',
  );
  const tokensOf = database.prepare(
    `SELECT key, client_id, resource_id, issued_at, expires_at, lineage, answer FROM token
     WHERE client_id = ? AND expires_at > ? ORDER BY issued_at DESC, key DESC LIMIT ?`,
  );
  const lastUse = database.prepare('SELECT used_at FROM agent_use WHERE agent_id = ?');
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

  return {
    token(jti: TokenId): TokenRecord | undefined {
      const row = token.get(tokenKey(jti));
      return row && toToken(jti, row);
    },
    tokensOf: (clientId: string, nowSeconds: number, limit: number): TokenRecord[] =>
      tokensOf
        .all(clientId, nowSeconds, limit)
        .map(row => toToken(`tok_${Buffer.from(row['key'] as Uint8Array).toString('base64url')}`, row)),
    lastUse: (agentId: string): number | undefined => lastUse.get(agentId)?.['used_at'] as number | undefined,
    lane: (name: string, fromSeq: number, limit: number) =>
      lane.all(name, fromSeq, limit) as unknown as AuditRow[],
    lanes: () => lanes.all() as unknown as LaneHead[],
    newest: (limit: number) => newest.all(limit) as unknown as AuditRow[],
  };
}

function toToken(jti: TokenId, row: Record<string, unknown>): TokenRecord {
  return {
    jti,
    clientId: row['client_id'] as string,
    resourceId: row['resource_id'] as string,
    issuedAt: row['issued_at'] as number,
    expiresAt: row['expires_at'] as number,
    lineage: row['lineage'] as string,
    answer: row['answer'] as string,
  };
}
