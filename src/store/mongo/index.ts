/**
 * The production store: MongoDB through mongoose, on a replica set. Any number of processes share it. A batch of units is one
 * transaction that a majority has on disk before anybody is told; each process hears of the others' changes by a change stream,
 * and proves before each answer that it has heard everything.
 */
import { hash } from 'node:crypto';
import type { ClientSession } from 'mongoose';
import { AGENT_FACETS } from '../../agents/agent-facets.ts';
import type { Agent } from '../../agents/index.ts';
import type { AuditRow, CommitOutcome, Cuts, LaneHead, RowsRequest, Unit } from '../../audit/index.ts';
import { tripleKey } from '../../delegation/delegation-facets.ts';
import type { Delegation, DelegationTriple } from '../../delegation/index.ts';
import { DEPLOYMENT } from '../../deployment-epoch.ts';
import type { Elevation } from '../../elevation/index.ts';
import { StoreUnavailable } from '../../errors.ts';
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
import { issuedAtOf, type TokenId, type TokenRecord } from '../../tokens/index.ts';
import { mayHaveBeenUsed } from '../before-restore.ts';
import { CommitQueue } from '../commit-queue.ts';
import { EpochRegistry } from '../epoch-registry.ts';
import { type Change, openedToRead, type Store, type StoreOptions } from '../store.ts';
import type { StoreFigures } from '../store-figures.ts';
import { takesAwayOnly } from '../takes-away.ts';
import { UseNotes } from '../use-notes.ts';
import { BatchApplier } from './apply-batch.ts';
import {
  type AttemptDocument,
  type AuditCutDocument,
  type AuditDocument,
  type Database,
  type DecisionDocument,
  decisionKey,
  type KeptAnswerDocument,
  laneKey,
  nativeDatabase,
  openDatabase,
  type TokenDocument,
} from './database.ts';
import { describeUri } from './describe-uri.ts';
import { EngineRecords } from './engine-records.ts';
import { Feed } from './feed.ts';
import { assertSchemaVersion } from './migrations.ts';
import { Passes } from './passes.ts';
import { askPrimary, KnownPrimaryClock, PrimaryClock } from './primary-clock.ts';
import { read, readFigures, readPatience, readTrail, trustedFilter } from './read.ts';
import { Records } from './records.ts';
import { TrailReads, toRow } from './trail-reads.ts';

export { migrateMongo } from './migrations.ts';

/**
 * Opens the database. Its schema must be up to date: see `migrateMongo`.
 *
 * @param uri names the database
 * @throws when it cannot be reached, or has another schema version
 */
export async function openMongoStore(uri: string, options: StoreOptions): Promise<Store> {
  const database = await openDatabase(uri);
  readPatience.factor = options.patience ?? 1;
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
  readonly epochs: EpochRegistry;
  readonly figures: StoreFigures;
  readonly #options: StoreOptions;
  readonly #database: Database;
  readonly #session: ClientSession;
  readonly #feed: Feed;
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
  readonly #primaryClock: PrimaryClock;
  readonly #trail: TrailReads;

  constructor(database: Database, session: ClientSession, description: string, options: StoreOptions) {
    this.description = description;
    this.#options = options;
    this.epochs = new EpochRegistry(options.onClockAccepted);
    this.#primaryClock = options.databaseTime
      ? new KnownPrimaryClock(options.now, options.databaseTime)
      : new PrimaryClock(options.now, askPrimary(nativeDatabase(database.connection)));
    this.#database = database;
    this.#session = session;
    this.#trail = new TrailReads(database, () => this.epochs.era);
    this.#agents = new Records(database.agent, { uses: database.agentUse });
    this.#people = new Records(database.person, { keyField: 'emailKey' });
    this.#credentials = new Records(database.personCredential);
    this.#resources = new Records(database.resource, { keyField: 'identifierKey' });
    this.#signingKeys = new Records(database.signingKey);
    this.#delegations = new Records(database.delegation, { keyField: 'activeKey' });
    this.#elevations = new Records(database.elevation, { keyField: 'pendingKey' });
    this.#deployment = new Records(database.deployment);
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
    this.#feed = new Feed(
      database,
      options.lane,
      this.epochs,
      options.now,
      id => this.#recordsByPrefix.get(id.slice(0, 4))?.invalidate(id),
      () => this.#forgetRecords(),
      () => this.#primaryClock.ask(),
      options.patience,
    );
    const applier = new BatchApplier(
      database,
      session,
      options.lane,
      this.epochs,
      {
        now: options.now,
        latest: options.latest ?? options.now,
        commitTime: () => this.#primaryClock.commitTime(),
      },
      announcement => this.#feed.hear(announcement),
      options.patience,
    );
    this.#queue = new CommitQueue(units => applier.apply(units), options.patience);
    this.figures = {
      commits: this.#queue.figures,
      reads: readFigures,
      epochsHeld: () => this.epochs.size,
      feedAgeMs: () => this.#feed.ageMs(),
    };
    this.#engineRecords = new EngineRecords(database.engineRecord);
    this.#passes = new Passes(database.pass);
    this.#uses = new UseNotes(uses => this.#writeUses(uses));
  }

  async open(): Promise<void> {
    try {
      await Promise.all([this.#feed.open(), this.#primaryClock.ask()]);
      await this.#options.agreeOnTime?.({
        lastCommittedAt: await this.#lastCommittedAt(),
        clockProblem: () => this.clockProblem(),
      });
      if (this.#options.readsOnly) return;
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
    if (this.#options.readsOnly) return Promise.reject(openedToRead());
    if (mayHaveBeenUsed(unit.changes, this.epochs)) {
      return Promise.resolve({ committed: false, conflict: 'already-used' });
    }
    const problem = this.clockProblem();
    if (problem !== undefined && !takesAwayOnly(unit)) return Promise.reject(new StoreUnavailable(problem));
    return this.#queue.commit(unit);
  }

  clockProblem(): string | undefined {
    return this.#primaryClock.problem();
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

  async listTokens(clientId: string, limit: number, after?: TokenId): Promise<readonly TokenRecord[]> {
    const live = { clientId: String(clientId), expiresAt: { $gt: new Date(this.#latest()) } };
    const documents = await read(() =>
      this.#database.token
        .find(trustedFilter({ ...live, ...(after !== undefined && issuedBefore(after)) }))
        .sort({ issuedAt: -1, _id: -1 })
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

  listTemplates(): Promise<readonly Agent[]> {
    return this.#agents.all(AGENT_FACETS.template);
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

  async findDecisions(epoch: number, ids: readonly string[]): Promise<ReadonlyMap<string, Decision>> {
    const keys = ids.map(id => decisionKey(Number(epoch), String(id)));
    const documents = await read(() =>
      this.#database.decision.find(trustedFilter({ _id: { $in: keys } })).lean<DecisionDocument[]>(),
    );
    return new Map(documents.map(({ id, decision }) => [id, decision as Decision]));
  }

  async findKeptAnswer(id: string): Promise<KeptAnswer | undefined> {
    const document = await read(() =>
      this.#database.keptAnswer
        .findById(String(id))
        // What a failover could take back was not done.
        .readConcern('majority')
        .lean<KeptAnswerDocument>(),
    );
    if (!document) return undefined;
    const { requestDigest, expiresAt, answer } = document;
    return { id, requestDigest, expiresAt: expiresAt.getTime(), answer };
  }

  findEngineRecord(model: string, key: string): Promise<StoredEngineRecord | undefined> {
    return this.#engineRecords.find(model, key);
  }

  findEngineRecordByUid(model: string, uid: string): Promise<StoredEngineRecord | undefined> {
    return this.#engineRecords.findByUid(model, uid);
  }

  readLane(lane: string, fromSeq: number, limit: number): Promise<readonly AuditRow[]> {
    return this.#trail.readLane(lane, fromSeq, limit);
  }

  listLanes(): Promise<readonly LaneHead[]> {
    return this.#trail.listLanes();
  }

  readCuts(): Promise<Cuts> {
    return this.#trail.readCuts();
  }

  async removeCutRows(lane: string, limit: number): Promise<number> {
    const cut = await readTrail(() =>
      this.#database.auditCut.findById(String(lane)).lean<AuditCutDocument>(),
    );
    if (!cut) return 0;
    const rows = await readTrail(() =>
      this.#database.audit
        .find(trustedFilter({ lane: String(lane), seq: { $lte: cut.seq } }), { _id: 1 })
        .sort({ seq: 1 })
        .limit(Number(limit))
        .lean<Pick<AuditDocument, '_id'>[]>(),
    );
    const ids = rows.map(({ _id }) => _id);
    if (ids.length > 0) await this.#database.audit.deleteMany(trustedFilter({ _id: { $in: ids } }));
    return ids.length;
  }

  readNewest(limit: number): Promise<readonly AuditRow[]> {
    return this.#trail.readNewest(limit);
  }

  /** The greatest time of a row of the trail, but for those that were committed before the machine's clock was accepted. */
  async #lastCommittedAt(): Promise<number | undefined> {
    return (await this.#trail.newestOf(this.epochs.era, 1))[0]?.committedAt;
  }

  #latest(): number {
    return (this.#options.latest ?? this.#options.now)();
  }

  async listRows(request: RowsRequest): Promise<readonly AuditRow[] | undefined> {
    const { limit, after, facets, since, before } = request;
    const start =
      after &&
      (await read(() => this.#database.audit.findById(laneKey(after.lane, after.seq)).lean<AuditDocument>()));
    if (after && !start) return undefined;
    const range = {
      ...(since !== undefined && { $gte: Number(since) }),
      ...(before !== undefined && { $lt: Number(before) }),
    };
    const filter = {
      ...(facets.length > 0 && { facets: { $all: facets.map(String) } }),
      ...(Object.keys(range).length > 0 && { committedAt: range }),
      ...(start && {
        $or: [
          { committedAt: { $lt: start.committedAt } },
          { committedAt: start.committedAt, _id: { $lt: start._id } },
        ],
      }),
    };
    const documents = await read(() =>
      this.#database.audit
        .find(trustedFilter(filter))
        .readConcern('majority')
        .sort({ committedAt: -1, _id: -1 })
        .limit(Number(limit))
        .lean<AuditDocument[]>(),
    );
    return documents.map(toRow);
  }

  async findRefusals(requestId: string): Promise<readonly AuditRow[]> {
    const documents = await read(() =>
      this.#database.audit
        .find({ refusedRequest: String(requestId) })
        .readConcern('majority')
        .sort({ committedAt: 1 })
        .limit(10)
        .lean<AuditDocument[]>(),
    );
    return documents.map(toRow);
  }

  async addAttempts(additions: readonly AttemptAddition[]): Promise<readonly number[]> {
    const documents = await read(() =>
      Promise.all(
        additions.map(({ key, count, expiresAt }) =>
          this.#database.attempt
            .findOneAndUpdate(
              { _id: attemptDigest(key) },
              { $inc: { count: Number(count) }, $setOnInsert: { expiresAt: new Date(expiresAt) } },
              { upsert: true, returnDocument: 'after' },
            )
            .lean<AttemptDocument>(),
        ),
      ),
    );
    if (documents.every(document => document !== null)) return documents.map(({ count }) => count);
    // Racing to be the first of a counter may leave one without an answer. Nobody is let off for it: what is there now counts.
    return this.readAttempts(additions.map(({ key }) => key));
  }

  async readAttempts(keys: readonly string[]): Promise<readonly number[]> {
    const digests = keys.map(attemptDigest);
    const documents = await read(() =>
      this.#database.attempt
        .find(trustedFilter({ _id: { $in: digests } }))
        .readConcern('majority')
        .lean<(AttemptDocument & { readonly _id: string })[]>(),
    );
    const counts = new Map(documents.map(({ _id, count }) => [_id, count]));
    return digests.map(digest => counts.get(digest) ?? 0);
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
    if (this.clockProblem() !== undefined) return;
    await this.#database.agentUse.bulkWrite(
      [...uses].map(([id, usedAt]) => ({
        updateOne: {
          filter: { _id: String(id) },
          update: { $max: { usedAt: Number(usedAt), idleSince: Number(usedAt) } },
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

function attemptDigest(key: string): string {
  return hash('sha256', key, 'base64url');
}

/** What comes after a token in a list that has the newest first. */
function issuedBefore(jti: TokenId): Readonly<Record<string, unknown>> {
  const issuedAt = issuedAtOf(jti);
  return { $or: [{ issuedAt: { $lt: issuedAt } }, { issuedAt, _id: { $lt: String(jti) } }] };
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
