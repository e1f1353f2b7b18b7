/**
 * The embedded store: one SQLite file through `node:sqlite`, in WAL mode at synchronous=FULL. A thread owns the writing
 * connection; the main thread reads. Several processes may share the file: each hears of the others' changes in the very
 * transaction that answers a question.
 */
import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { AGENT_FACETS } from '../../agents/agent-facets.ts';
import type { Agent } from '../../agents/index.ts';
import type { AuditRow, CommitOutcome, Cuts, LaneHead, RowsRequest, Unit } from '../../audit/index.ts';
import { CannotUse } from '../../cannot-use.ts';
import { tripleKey } from '../../delegation/delegation-facets.ts';
import type { Delegation, DelegationTriple } from '../../delegation/index.ts';
import { DEPLOYMENT } from '../../deployment-epoch.ts';
import type { Elevation } from '../../elevation/index.ts';
import type { KeptAnswer } from '../../idempotency/index.ts';
import type { Page, PageRequest } from '../../input/index.ts';
import type { SigningKey } from '../../keys/index.ts';
import type { AttemptAddition } from '../../limits/index.ts';
import type { PassKind, PassOf, Person, PersonCredential } from '../../people/index.ts';
import { credentialIdOf } from '../../people/person-credential.ts';
import type { StoredEngineRecord } from '../../provider/engine-store.ts';
import type { Decision, Deployment } from '../../recovery/deployment.ts';
import type { Resource } from '../../resources/index.ts';
import { findByIdentifier } from '../../resources/resource.ts';
import type { TokenId, TokenRecord } from '../../tokens/index.ts';
import { announcedUntil } from '../announced-until.ts';
import { mayHaveBeenUsed } from '../before-restore.ts';
import { CommitQueue } from '../commit-queue.ts';
import { EpochRegistry } from '../epoch-registry.ts';
import { type Change, openedToRead, type Store, type StoreOptions } from '../store.ts';
import type { StoreFigures } from '../store-figures.ts';
import { UseNotes } from '../use-notes.ts';
import { attemptDigest } from './attempt-digest.ts';
import { openForReading } from './database.ts';
import { EngineRecords } from './engine-records.ts';
import { Feed } from './feed.ts';
import { Passes } from './passes.ts';
import { TurnReader } from './reader.ts';
import { Records } from './records.ts';
import { AT_PLACE, LAST_PLACE, tokenKey, tokenPlace } from './token-place.ts';
import { prepareTrailReads } from './trail-reads.ts';
import { Writer } from './writer.ts';
import type { CommitTime } from './writer-thread.ts';

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
  const opened = openSync(file, 'a', 0o600);
  const { ino } = fstatSync(opened);
  closeSync(opened);
  const writer = await Writer.start({ path: file, lane: options.lane, patience: options.patience });
  const store = new SqliteStore(file, openForReading(file), writer, options);
  // Its lock was waited for while a backup was put in its place: what is open now has another name.
  if (statSync(file).ino !== ino) {
    await store.close();
    throw new CannotUse(file, 'it was replaced while it was being opened', 'start again');
  }
  try {
    await store.open();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

class SqliteStore implements Store {
  readonly description: string;
  readonly epochs: EpochRegistry;
  readonly figures: StoreFigures;
  readonly #options: StoreOptions;
  readonly #writer: Writer;
  readonly #reader: TurnReader;
  readonly #queue: CommitQueue<Change>;
  readonly #agents: Records<Agent>;
  readonly #people: Records<Person>;
  readonly #credentials: Records<PersonCredential>;
  readonly #resources: Records<Resource>;
  readonly #signingKeys: Records<SigningKey>;
  readonly #delegations: Records<Delegation>;
  readonly #elevations: Records<Elevation>;
  readonly #deployment: Records<Deployment>;
  readonly #recordsByPrefix: ReadonlyMap<string, Pick<Records<Agent>, 'invalidate' | 'clear'>>;
  readonly #engineRecords: EngineRecords;
  readonly #passes: Passes;
  readonly #uses: UseNotes;
  readonly #read: Reads;

  constructor(file: string, database: DatabaseSync, writer: Writer, options: StoreOptions) {
    this.description = `SQLite ${file}`;
    this.#options = options;
    this.epochs = new EpochRegistry(options.onClockAccepted);
    this.#writer = writer;
    const feed = new Feed(
      database,
      this.epochs,
      id => this.#invalidate(id),
      () => this.#forgetRecords(),
    );
    this.#reader = new TurnReader(database, () => feed.hear(options.now()));
    this.#queue = new CommitQueue(
      units => writer.commit(units, this.#time(), this.#latest()),
      options.patience,
    );
    this.figures = {
      commits: this.#queue.figures,
      reads: this.#reader.figures,
      epochsHeld: () => this.epochs.size,
      // Every answer is read in the transaction that hears the feed first.
      feedAgeMs: () => 0,
    };
    this.#agents = new Records(database, this.#reader, 'agent');
    this.#people = new Records(database, this.#reader, 'person', 'email_key');
    this.#credentials = new Records(database, this.#reader, 'person_credential');
    this.#resources = new Records(database, this.#reader, 'resource', 'identifier_key');
    this.#signingKeys = new Records(database, this.#reader, 'signing_key');
    this.#delegations = new Records(database, this.#reader, 'delegation', 'active_key');
    this.#elevations = new Records(database, this.#reader, 'elevation', 'pending_key');
    this.#deployment = new Records(database, this.#reader, 'deployment');
    this.#recordsByPrefix = new Map<string, Pick<Records<Agent>, 'invalidate' | 'clear'>>([
      ['agt_', this.#agents],
      ['usr_', this.#people],
      ['crd_', this.#credentials],
      ['res_', this.#resources],
      ['key_', this.#signingKeys],
      ['dlg_', this.#delegations],
      ['elv_', this.#elevations],
      [DEPLOYMENT.slice(0, 4), this.#deployment],
    ]);
    this.#engineRecords = new EngineRecords(database, this.#reader);
    this.#passes = new Passes(database, this.#reader);
    this.#uses = new UseNotes(uses => writer.noteUses(uses));
    this.#read = prepareReads(database);
  }

  async open(): Promise<void> {
    await this.fresh();
    const lastCommittedAt = await this.#writer.lastCommittedAt();
    await this.#options.agreeOnTime?.({ lastCommittedAt, clockProblem: () => this.clockProblem() });
    if (this.#options.readsOnly) return;
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
    if (this.#options.readsOnly) throw openedToRead();
    if (mayHaveBeenUsed(unit.changes, this.epochs)) return { committed: false, conflict: 'already-used' };
    const outcome = await this.#queue.commit(unit);
    if (outcome.committed) this.#raiseEpochs(unit.changes);
    return outcome;
  }

  /** The file has no clock of its own. */
  clockProblem(): undefined {
    return undefined;
  }

  fresh(): Promise<void> {
    return this.#reader.fresh();
  }

  findToken(jti: TokenId): Promise<TokenRecord | undefined> {
    return this.#reader.read(() => this.#read.token(jti));
  }

  listTokens(clientId: string, limit: number, after?: TokenId): Promise<readonly TokenRecord[]> {
    return this.#reader.read(() =>
      this.#read.tokensOf(clientId, Math.floor(this.#latest() / 1000), limit, after),
    );
  }

  findAgent(id: string): Promise<Agent | undefined> {
    return this.#agents.find(id);
  }

  listAgents(page: PageRequest): Promise<Page<Agent>> {
    return this.#agents.list(page);
  }

  listTemplates(): Promise<readonly Agent[]> {
    return this.#agents.all(AGENT_FACETS.template);
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

  findPersonByEmail(email: string): Promise<Person | undefined> {
    return this.#people.findByKey(email.toLowerCase());
  }

  listPeople(page: PageRequest): Promise<Page<Person>> {
    return this.#people.list(page);
  }

  findCredential(personId: string): Promise<PersonCredential | undefined> {
    return this.#credentials.find(credentialIdOf(personId));
  }

  findPass<K extends PassKind>(kind: K, key: string): Promise<PassOf<K> | undefined> {
    return this.#passes.find(kind, key);
  }

  listPasses<K extends PassKind>(kind: K, personId: string): Promise<readonly PassOf<K>[]> {
    return this.#passes.list(kind, personId);
  }

  findResource(id: string): Promise<Resource | undefined> {
    return this.#resources.find(id);
  }

  findResourceByIdentifier(identifier: string): Promise<Resource | undefined> {
    return findByIdentifier(identifier, key => this.#resources.findByKey(key));
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

  findDelegation(id: string): Promise<Delegation | undefined> {
    return this.#delegations.find(id);
  }

  findActiveDelegation(triple: DelegationTriple): Promise<Delegation | undefined> {
    return this.#delegations.findByKey(tripleKey(triple));
  }

  listDelegations(page: PageRequest): Promise<Page<Delegation>> {
    return this.#delegations.list(page);
  }

  findElevation(id: string): Promise<Elevation | undefined> {
    return this.#elevations.find(id);
  }

  findPendingElevation(askDigest: string): Promise<Elevation | undefined> {
    return this.#elevations.findByKey(askDigest);
  }

  listElevations(page: PageRequest): Promise<Page<Elevation>> {
    return this.#elevations.list(page);
  }

  findDeployment(): Promise<Deployment | undefined> {
    return this.#deployment.find(DEPLOYMENT);
  }

  findDecisions(epoch: number, ids: readonly string[]): Promise<ReadonlyMap<string, Decision>> {
    return this.#reader.read(() => this.#read.decisions(epoch, ids));
  }

  findKeptAnswer(id: string): Promise<KeptAnswer | undefined> {
    return this.#reader.read(() => this.#read.keptAnswer(id));
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

  readCuts(): Promise<Cuts> {
    return this.#reader.read(() => this.#read.cuts());
  }

  removeCutRows(lane: string, limit: number): Promise<number> {
    return this.#writer.removeCutRows(lane, limit);
  }

  readNewest(limit: number): Promise<readonly AuditRow[]> {
    return this.#reader.read(() => this.#read.newest(limit));
  }

  listRows(request: RowsRequest): Promise<readonly AuditRow[] | undefined> {
    return this.#reader.read(() => this.#read.listRows(request));
  }

  findRefusals(requestId: string): Promise<readonly AuditRow[]> {
    return this.#reader.read(() => this.#read.refusals(requestId));
  }

  addAttempts(additions: readonly AttemptAddition[]): Promise<readonly number[]> {
    return this.#writer.addAttempts(additions);
  }

  readAttempts(keys: readonly string[]): Promise<readonly number[]> {
    return this.#reader.read(() => keys.map(this.#read.attempts));
  }

  async sweep(): Promise<number> {
    try {
      return await this.#writer.sweep(this.#time());
    } catch (error) {
      this.#queue.figures.hasFailed = true;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await this.#uses.close();
    this.#reader.close();
    // Everything is folded into one file, which only a writing connection can.
    await this.#writer.close();
  }

  #time(): CommitTime {
    return { now: this.#options.now(), era: this.epochs.era };
  }

  #latest(): number {
    return (this.#options.latest ?? this.#options.now)();
  }

  /** What this process has committed it knows at once; what others have, it hears of in the feed. */
  #raiseEpochs(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'cut-off') this.epochs.raise(change.id, change.epoch, change.forgetAt);
      else if (change.kind === 'replace') {
        const { record, collection } = change;
        this.epochs.raise(record.id, record.epoch, announcedUntil(collection, this.#options.now()));
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

type TokenRow = readonly [
  clientId: string,
  resourceId: string,
  issuedAt: number,
  expiresAt: number,
  lineage: string,
  answer: string,
];

type Reads = ReturnType<typeof prepareReads>;

/** The point reads and lists that are not of managed records. Each runs in the turn's transaction. */
function prepareReads(database: DatabaseSync) {
  const token = database.prepare(
    `SELECT client_id, resource_id, issued_at, expires_at, lineage, answer FROM access_token WHERE ${AT_PLACE}`,
  );
  // As objects, rows cost half as much again.
  token.setReturnArrays(true);
  const tokensOf = database.prepare(
    `SELECT key, client_id, resource_id, issued_at, expires_at, lineage, answer FROM access_token
     WHERE id < coalesce((SELECT id FROM access_token WHERE ${AT_PLACE}), ?1) AND client_id = ?3 AND expires_at > ?4
     ORDER BY id DESC LIMIT ?5`,
  );
  const decision = database.prepare('SELECT decision FROM decision WHERE epoch = ? AND id = ?');
  const keptAnswer = database.prepare(
    'SELECT id, request_digest AS requestDigest, expires_at AS expiresAt, answer FROM kept_answer WHERE id = ?',
  );
  const attempts = database.prepare('SELECT count FROM attempt WHERE digest = ?');
  const lastUse = database.prepare('SELECT used_at FROM agent_use WHERE agent_id = ?');

  return {
    token(jti: TokenId): TokenRecord | undefined {
      const key = tokenKey(jti);
      const row = token.get(tokenPlace(key), key) as unknown as TokenRow | undefined;
      if (!row) return undefined;
      const [clientId, resourceId, issuedAt, expiresAt, lineage, answer] = row;
      return { jti, clientId, resourceId, issuedAt, expiresAt, lineage, answer };
    },
    // Places go by the time of issue.
    tokensOf(clientId: string, nowSeconds: number, limit: number, after?: TokenId): TokenRecord[] {
      const key = after === undefined ? undefined : tokenKey(after);
      return tokensOf
        .all(key ? tokenPlace(key) : LAST_PLACE, key ?? null, clientId, nowSeconds, limit)
        .map(row => toToken(`tok_${Buffer.from(row['key'] as Uint8Array).toString('base64url')}`, row));
    },
    decisions: (epoch: number, ids: readonly string[]): ReadonlyMap<string, Decision> =>
      new Map(
        ids.flatMap((id): [string, Decision][] => {
          const row = decision.get(epoch, id);
          return row ? [[id, row['decision'] as Decision]] : [];
        }),
      ),
    attempts: (key: string): number => Number(attempts.get(attemptDigest(key))?.['count'] ?? 0),
    keptAnswer: (id: string) => keptAnswer.get(id) as KeptAnswer | undefined,
    lastUse: (agentId: string): number | undefined =>
      (lastUse.get(agentId)?.['used_at'] as number | undefined) || undefined,
    ...prepareTrailReads(database),
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
