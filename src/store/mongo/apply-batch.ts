import { hash, randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import mongoose, { type ClientSession } from 'mongoose';
import {
  type AuditEvent,
  type AuditRow,
  type CommitOutcome,
  type Conflict,
  canonicalEvent,
  chainEvent,
  type ExpectVersion,
  emptyLane,
  facetsOfEvent,
  type HeldAuthority,
  type LaneHead,
  type MoveCuts,
  refusedRequestOf,
  type Uncommitted,
  type Unit,
} from '../../audit/index.ts';
import type { Clock } from '../../clock.ts';
import { activeKeyOf } from '../../delegation/delegation-facets.ts';
import { pendingKeyOf } from '../../elevation/elevation-facets.ts';
import { StoreUnavailable } from '../../errors.ts';
import type { KeepAnswer } from '../../idempotency/index.ts';
import type { PassChange } from '../../people/index.ts';
import type { EngineChange } from '../../provider/engine-store.ts';
import { identifierKey } from '../../resources/resource.ts';
import type { TokenRecord } from '../../tokens/index.ts';
import { announcedUntil } from '../announced-until.ts';
import type { EpochRegistry } from '../epoch-registry.ts';
import { eraBegunBy } from '../era-begun-by.ts';
import { fileRecord, isFiled } from '../record-facets.ts';
import type { Change } from '../store.ts';
import { findEnded, raiseHandles, touchOwn } from './check-authority.ts';
import {
  type AuditDocument,
  type Database,
  DURABLE,
  decisionKey,
  type FeedDocument,
  laneKey,
  type RecordDocument,
  type RecordModel,
  type TokenDocument,
  type UsedOnceDocument,
} from './database.ts';
import { applyEngineChange } from './engine-records.ts';
import { applyPassChange } from './passes.ts';
import { trustedFilter } from './read.ts';

/** A batch that is not committed by then is given up: whoever waits for it has waited long enough. */
const GIVE_UP_AFTER_MS = 5_000;
const RETRY_PAUSE_MS = 20;
const DUPLICATE_KEY = 11_000;

const { MongoError, MongoErrorLabel } = mongoose.mongo;

type RecoveryChange = Extract<Change, { kind: 'decide' | 'void-pending' | 'adopt-audit' | 'move-cuts' }>;
type RecordChange = Extract<Change, { kind: 'insert' | 'replace' }>;

/** By which times a batch goes. */
export interface CommitTimes {
  readonly now: Clock;
  /** Ends are judged by it. */
  readonly latest: Clock;
  /** When it is committed: `now`, unless this process's clock is wrong. */
  readonly commitTime: Clock;
}

/** Where a lane stands: in its chain, and in its announcements. */
interface Position {
  readonly head: LaneHead;
  readonly feedSeq: number;
}

/** What a run of units writes, gathered so that each collection is written to once. */
interface Writes {
  readonly usedOnce: UsedOnceDocument[];
  readonly tokens: TokenDocument[];
  readonly expected: ExpectVersion[];
  readonly records: RecordChange[];
  readonly engine: EngineChange[];
  readonly passes: PassChange[];
  readonly keptAnswers: KeepAnswer[];
  readonly recovery: RecoveryChange[];
  readonly feed: FeedDocument[];
  readonly audit: AuditDocument[];
  /** Where the lane stands once they are committed. */
  readonly after: Position;
}

type Met = Exclude<Conflict, 'authority-ended'>;

/** One unit has to give way to what is stored already; nothing of its run has been committed. */
class UnitConflict extends Error {
  readonly uncommitted: Uncommitted;
  /** The key that was taken, where that tells which unit it was. */
  readonly key: string | undefined;

  constructor(conflict: Met | Uncommitted, key?: string) {
    const uncommitted = typeof conflict === 'string' ? { committed: false as const, conflict } : conflict;
    super(uncommitted.conflict);
    this.uncommitted = uncommitted;
    this.key = key;
  }
}

/** Another transaction was first to write what this one has to write too. */
class GaveWay extends Error {}

/**
 * Commits batches of units for one lane, one at a time, each in a transaction with majority write concern.
 *
 * A failed statement ends a MongoDB transaction, so a unit that meets a conflict takes its run down with it, and the run is
 * committed again without that unit. A unit that changes a record, or one of the engine's, is rare, and runs by itself: its
 * authority is checked in the same transaction, by what that reads first.
 *
 * All transactions use one session. The first statement of the next one therefore ends whatever a lost connection has left
 * open, and after a commit of unknown outcome the next transaction finds out what became of it: it reads the lane's last row.
 */
export class BatchApplier {
  readonly #database: Database;
  readonly #session: ClientSession;
  readonly #lane: string;
  readonly #epochs: EpochRegistry;
  readonly #times: CommitTimes;
  readonly #onCommitted: (announcement: FeedDocument) => void;
  readonly #patience: number;
  #position: Position;
  /** Whether the position has to be read from the database first. */
  #isPositionKnown = false;

  /**
   * @param epochs what this process has heard of
   * @param onCommitted called with each announcement once it is durable, before the outcome is told
   * @param patience how many times longer than usual everything may take
   */
  constructor(
    database: Database,
    session: ClientSession,
    lane: string,
    epochs: EpochRegistry,
    times: CommitTimes,
    onCommitted: (announcement: FeedDocument) => void,
    patience = 1,
  ) {
    this.#database = database;
    this.#session = session;
    this.#lane = lane;
    this.#epochs = epochs;
    this.#times = times;
    this.#onCommitted = onCommitted;
    this.#patience = patience;
    this.#position = { head: emptyLane(lane), feedSeq: 0 };
  }

  /**
   * Commits a batch, and tells the outcome of each unit, in order.
   *
   * @throws {StoreUnavailable} when it is unknown whether some of it was committed
   */
  async apply(units: readonly Unit<Change>[]): Promise<readonly CommitOutcome[]> {
    const outcomes = new Map<Unit<Change>, CommitOutcome>();
    const taken = new Set<string>();
    let waiting = units;
    while (waiting.length > 0) {
      const run: Unit<Change>[] = [];
      const keys = new Set<string>();
      for (const unit of waiting) {
        const conflict = conflictWith(unit, taken);
        if (conflict) {
          outcomes.set(unit, { committed: false, conflict });
          continue;
        }
        const own = keysOf(unit);
        // The second use of one value waits for what becomes of the first.
        if (run.length > 0 && (runsAlone(unit) || own.some(({ key }) => keys.has(key)))) break;
        run.push(unit);
        for (const { key } of own) keys.add(key);
        if (runsAlone(unit)) break;
      }
      if (run.length > 0) {
        const conflict = await this.#commitRun(run);
        if (conflict) {
          for (const key of await this.#findTaken(run)) taken.add(key);
          if (conflict.key !== undefined) taken.add(conflict.key);
          else if (run[0]) outcomes.set(run[0], conflict.uncommitted);
        } else {
          for (const unit of run) outcomes.set(unit, { committed: true });
          for (const key of keys) taken.add(key);
        }
      }
      waiting = waiting.filter(unit => !outcomes.has(unit));
    }
    return units.map(unit => outcomes.get(unit) as CommitOutcome);
  }

  /** @returns the conflict for which nothing was committed; undefined when all was */
  async #commitRun(run: readonly Unit<Change>[]): Promise<UnitConflict | undefined> {
    const deadline = performance.now() + GIVE_UP_AFTER_MS * this.#patience;
    let attempted: Writes | undefined;
    for (;;) {
      try {
        this.#session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: DURABLE });
        if (!this.#isPositionKnown) {
          this.#position = await this.#readPosition();
          this.#isPositionKnown = true;
          // The hash stands for every row before it: where it is ours, the attempt before this one was committed.
          if (
            attempted &&
            attempted.audit.length > 0 &&
            this.#position.head.hash === attempted.after.head.hash
          ) {
            await this.#session.abortTransaction();
            this.#announce(attempted);
            return undefined;
          }
        }
        const authority = heldBy(run);
        if (authority) await this.#assertHeld(authority);
        attempted = this.#gather(run);
        await this.#write(attempted);
        if (authority) await this.#touch(authority);
      } catch (error) {
        await this.#session.abortTransaction().catch(() => undefined);
        if (error instanceof UnitConflict) return error;
        if (!isTransient(error) || performance.now() > deadline) throw notCommitted(error);
        // Two who gave way to each other must not do so again and again.
        await delay(randomInt(2 * RETRY_PAUSE_MS));
        continue;
      }
      if (await this.#commit(deadline)) {
        this.#position = attempted.after;
        this.#announce(attempted);
        return undefined;
      }
    }
  }

  /**
   * Commits the open transaction, asking again for as long as the outcome is unknown.
   *
   * @returns false when it has been aborted and may be tried again
   */
  async #commit(deadline: number): Promise<boolean> {
    for (;;) {
      try {
        await this.#session.commitTransaction();
        return true;
      } catch (error) {
        this.#isPositionKnown = false;
        if (performance.now() > deadline) throw notCommitted(error);
        await delay(randomInt(2 * RETRY_PAUSE_MS));
        if (hasLabel(error, MongoErrorLabel.UnknownTransactionCommitResult)) continue;
        if (isTransient(error)) return false;
        throw notCommitted(error);
      }
    }
  }

  /** @throws {UnitConflict} `authority-ended` */
  async #assertHeld(authority: HeldAuthority): Promise<void> {
    const ended = await findEnded(
      this.#database,
      this.#session,
      authority,
      this.#epochs,
      this.#times.latest(),
    );
    if (ended !== undefined) {
      throw new UnitConflict({ committed: false, conflict: 'authority-ended', ended });
    }
  }

  async #touch(authority: HeldAuthority): Promise<void> {
    try {
      await touchOwn(this.#database, this.#session, authority, this.#times.now());
    } catch (error) {
      // Somebody else has made the same document at the same moment.
      throw (error as { code?: unknown }).code === DUPLICATE_KEY ? new GaveWay() : error;
    }
  }

  #announce(writes: Writes): void {
    for (const announcement of writes.feed) this.#onCommitted(announcement);
  }

  /** Read in the transaction, so that nothing can still be on its way that would make it untrue. */
  async #readPosition(): Promise<Position> {
    const row = await this.#database.audit
      .findOne({ lane: this.#lane })
      .sort({ seq: -1 })
      .session(this.#session)
      .lean<AuditDocument>();
    const feedHead = await this.#database.feedHead.findById(this.#lane).session(this.#session).lean();
    return {
      head: row ? { lane: row.lane, seq: row.seq, hash: row.hash } : emptyLane(this.#lane),
      feedSeq: feedHead?.seq ?? 0,
    };
  }

  #gather(run: readonly Unit<Change>[]): Writes {
    const committedAt = this.#times.commitTime();
    const behindMs = Math.max(0, committedAt - this.#times.now());
    const era = Math.max(this.#epochs.era, ...run.map(eraBegunBy));
    const usedOnce: UsedOnceDocument[] = [];
    const tokens: TokenDocument[] = [];
    const expected: ExpectVersion[] = [];
    const records: RecordChange[] = [];
    const engine: EngineChange[] = [];
    const passes: PassChange[] = [];
    const keptAnswers: KeepAnswer[] = [];
    const recovery: RecoveryChange[] = [];
    const feed: FeedDocument[] = [];
    const audit: AuditDocument[] = [];
    let { head, feedSeq } = this.#position;
    const announce = (id: string, epoch: number, forgetAt: number): void => {
      feedSeq += 1;
      feed.push({
        _id: laneKey(this.#lane, feedSeq),
        lane: this.#lane,
        seq: feedSeq,
        id,
        epoch,
        forgetAt: new Date(forgetAt),
      });
    };
    for (const { changes, events } of run) {
      for (const change of changes) {
        switch (change.kind) {
          case 'use-once':
            usedOnce.push({ _id: digestOf(change.value), expiresAt: new Date(change.expiresAt) });
            break;
          case 'insert-token':
            tokens.push(toTokenDocument(change.token));
            break;
          case 'cut-off':
            announce(change.id, change.epoch, change.forgetAt + behindMs);
            break;
          case 'insert':
          case 'replace':
            records.push(change);
            announce(change.record.id, change.record.epoch, announcedUntil(change.collection, committedAt));
            break;
          case 'expect-version':
            expected.push(change);
            break;
          case 'keep-answer':
            keptAnswers.push(change);
            break;
          case 'decide':
          case 'void-pending':
          case 'adopt-audit':
          case 'move-cuts':
            recovery.push(change);
            break;
          case 'engine-put':
          case 'engine-consume':
          case 'engine-destroy':
          case 'engine-revoke-grant':
            engine.push(change);
            break;
          case 'issue-pass':
          case 'renew-pass':
          case 'take-pass':
          case 'end-passes':
            passes.push(change);
        }
      }
      for (const event of events) {
        const row: AuditRow = chainEvent(head, canonicalEvent(event));
        audit.push({
          _id: laneKey(row.lane, row.seq),
          ...row,
          committedAt,
          ...(era > 0 && { clockEra: era }),
          ...searchedFields(event),
        });
        head = { lane: row.lane, seq: row.seq, hash: row.hash };
      }
    }
    return {
      usedOnce,
      tokens,
      expected,
      records,
      engine,
      passes,
      keptAnswers,
      recovery,
      feed,
      audit,
      after: { head, feedSeq },
    };
  }

  async #write(writes: Writes): Promise<void> {
    const { usedOnce, tokens, expected, records, engine, passes, keptAnswers, recovery, feed, audit, after } =
      writes;
    const session = this.#session;
    const options = { session, ordered: true, lean: true } as const;
    if (usedOnce.length > 0) {
      await this.#database.usedOnce
        .insertMany(usedOnce, options)
        .catch(conflictFrom('already-used', usedOnce));
    }
    if (tokens.length > 0) {
      await this.#database.token.insertMany(tokens, options).catch(conflictFrom('already-exists', tokens));
    }
    // Before the records: who comes second is told of the first, and not of what it has made.
    for (const change of keptAnswers) await this.#keepAnswer(change);
    for (const change of expected) await this.#expectVersion(change);
    for (const change of records) await this.#writeRecord(change);
    for (const change of engine) {
      const conflict = await applyEngineChange(this.#database.engineRecord, session, change);
      if (conflict) throw new UnitConflict(conflict);
    }
    for (const change of passes) {
      const conflict = await applyPassChange(this.#database.pass, session, change);
      if (conflict) throw new UnitConflict(conflict);
    }
    for (const change of recovery) await this.#writeRecovery(change);
    if (feed.length > 0) {
      await raiseHandles(this.#database, session, feed).catch(error => {
        throw (error as { code?: unknown }).code === DUPLICATE_KEY ? new GaveWay() : error;
      });
      await this.#database.feed.insertMany(feed, options);
      await this.#database.feedHead.updateOne(
        { _id: this.#lane },
        { $set: { seq: after.feedSeq, writtenAt: new Date() } },
        { session, upsert: true },
      );
    }
    if (audit.length > 0) await this.#database.audit.insertMany(audit, options);
  }

  async #writeRecovery(change: RecoveryChange): Promise<void> {
    const session = this.#session;
    switch (change.kind) {
      case 'decide':
        await this.#database.decision
          .insertMany(
            [
              {
                _id: decisionKey(change.epoch, change.id),
                id: String(change.id),
                decision: String(change.decision),
              },
            ],
            { session, lean: true },
          )
          .catch(conflictFrom('already-exists', undefined));
        return;
      case 'void-pending':
        await this.#database.engineRecord.deleteMany({}, { session });
        await this.#database.pass.deleteMany({}, { session });
        return;
      case 'move-cuts':
        await this.#moveCuts(change);
        return;
      case 'adopt-audit':
        await this.#database.audit.bulkWrite(
          change.rows.map(({ lane, seq, body, hash, at }) => ({
            updateOne: {
              filter: { _id: laneKey(lane, seq) },
              update: {
                $setOnInsert: {
                  lane: String(lane),
                  seq: Number(seq),
                  body: String(body),
                  hash: String(hash),
                  committedAt: Number(at),
                  ...searchedFields(String(body)),
                },
              },
              upsert: true,
            },
          })),
          { session, ordered: true },
        );
    }
  }

  async #moveCuts({ version, cuts }: MoveCuts): Promise<void> {
    const options = { session: this.#session, upsert: true };
    for (const { lane, seq, hash: rowHash } of [{ lane: '', seq: version, hash: '' }, ...cuts]) {
      // Where one has come as far, none matches, and its key is taken.
      await this.#database.auditCut
        .updateOne(
          trustedFilter({ _id: String(lane), seq: { $lt: Number(seq) } }),
          { $set: { seq: Number(seq), hash: String(rowHash) } },
          options,
        )
        .catch(conflictFrom('version-changed', undefined));
    }
  }

  /** Takes the place of an expired answer; where one is kept that has not expired, its key is taken. */
  async #keepAnswer({ kept, now }: KeepAnswer): Promise<void> {
    await this.#database.keptAnswer
      .updateOne(
        trustedFilter({ _id: String(kept.id), expiresAt: { $lte: new Date(now) } }),
        {
          $set: {
            requestDigest: String(kept.requestDigest),
            expiresAt: new Date(kept.expiresAt),
            answer: String(kept.answer),
          },
        },
        { session: this.#session, upsert: true },
      )
      .catch(conflictFrom('already-used', undefined));
  }

  /** Touches the document: a change of it that commits beside this one and is not seen here gives way, or makes this one give way. */
  async #expectVersion({ collection, id, version }: ExpectVersion): Promise<void> {
    const model: RecordModel = this.#database[collection];
    const touched = await model.updateOne(
      { _id: String(id), version: Number(version) },
      { $inc: { touches: 1 } },
      { session: this.#session },
    );
    if (touched.matchedCount === 0) throw new UnitConflict('version-changed');
  }

  async #writeRecord(change: RecordChange): Promise<void> {
    const { model, document } = this.#toRecordDocument(change);
    const session = this.#session;
    if (change.kind === 'insert') {
      await model
        .insertMany([document], { session, lean: true })
        .catch(conflictFrom('already-exists', undefined));
      if (change.collection === 'agent') {
        await this.#database.agentUse.updateOne(
          { _id: document._id },
          { $setOnInsert: { idleSince: Number(change.record.createdAt) } },
          { session, upsert: true },
        );
      }
      return;
    }
    const replaced = await model
      .replaceOne({ _id: document._id, version: Number(change.ifVersion) }, document, { session })
      .catch(conflictFrom('already-exists', undefined));
    if (replaced.matchedCount === 0) throw new UnitConflict('version-changed');
  }

  /** The fields that are searched or must be unique; everything else of a record is in its payload. */
  #toRecordDocument(change: RecordChange): { model: RecordModel; document: RecordDocument } {
    const { id, version } = change.record;
    const document = {
      _id: String(id),
      version: Number(version),
      payload: JSON.stringify(change.record),
      ...(isFiled(change.collection) && fileRecord(change.collection, change.record)),
    };
    switch (change.collection) {
      case 'agent':
        return { model: this.#database.agent, document: { ...document, ownerId: change.record.ownerId } };
      case 'person': {
        const { email } = change.record;
        const key = email === undefined ? {} : { emailKey: email.toLowerCase() };
        return { model: this.#database.person, document: { ...document, ...key } };
      }
      case 'person-credential':
        return { model: this.#database.personCredential, document };
      case 'resource': {
        const keyed = { ...document, identifierKey: identifierKey(change.record.identifier) };
        return { model: this.#database.resource, document: keyed };
      }
      case 'delegation': {
        const activeKey = activeKeyOf(change.record);
        const key = activeKey === undefined ? {} : { activeKey };
        return { model: this.#database.delegation, document: { ...document, ...key } };
      }
      case 'elevation': {
        const pendingKey = pendingKeyOf(change.record);
        const key = pendingKey === undefined ? {} : { pendingKey };
        return { model: this.#database.elevation, document: { ...document, ...key } };
      }
      case 'signing-key':
        return { model: this.#database.signingKey, document };
      case 'deployment':
        return { model: this.#database.deployment, document };
    }
  }

  /** Which keys of a run are taken: all at once, so that a flood of replays does not cost a transaction each. */
  async #findTaken(run: readonly Unit<Change>[]): Promise<readonly string[]> {
    const keys = run.flatMap(keysOf);
    const find = async (model: RecordModel, kind: Key['kind']): Promise<readonly string[]> => {
      const ids = keys.filter(key => key.kind === kind).map(key => key.key);
      if (ids.length === 0) return [];
      const found = await model
        .find(trustedFilter({ _id: { $in: ids } }), { _id: 1 })
        .lean<{ _id: string }[]>();
      return found.map(({ _id }) => _id);
    };
    try {
      const [used, tokens] = await Promise.all([
        find(this.#database.usedOnce as unknown as RecordModel, 'used-once'),
        find(this.#database.token as unknown as RecordModel, 'token'),
      ]);
      return [...used, ...tokens];
    } catch {
      // The one that is known to be taken is enough to go on.
      return [];
    }
  }
}

interface Key {
  readonly kind: 'used-once' | 'token';
  /** The two kinds cannot be alike: a digest has no prefix. */
  readonly key: string;
}

/** What a unit claims for itself that another one could claim too. */
function keysOf(unit: Unit<Change>): Key[] {
  return unit.changes.flatMap((change): Key[] => {
    if (change.kind === 'use-once') return [{ kind: 'used-once', key: digestOf(change.value) }];
    if (change.kind === 'insert-token') return [{ kind: 'token', key: String(change.token.jti) }];
    return [];
  });
}

function conflictWith(unit: Unit<Change>, taken: ReadonlySet<string>): Met | undefined {
  const key = taken.size > 0 && keysOf(unit).find(own => taken.has(own.key));
  if (!key) return undefined;
  return key.kind === 'used-once' ? 'already-used' : 'already-exists';
}

function runsAlone({ authority, changes }: Unit<Change>): boolean {
  return (
    (authority !== undefined && 'lineage' in authority) ||
    changes.some(({ kind }) => kind !== 'use-once' && kind !== 'insert-token' && kind !== 'cut-off')
  );
}

/** What a run is done on: a unit with an authority runs alone. */
function heldBy([unit]: readonly Unit<Change>[]): HeldAuthority | undefined {
  const authority = unit?.authority;
  return authority && 'lineage' in authority ? authority : undefined;
}

/** By what a row is found again. */
function searchedFields(event: AuditEvent | string): Pick<AuditDocument, 'refusedRequest' | 'facets'> {
  const refusedRequest = refusedRequestOf(event);
  const facets = facetsOfEvent(event);
  return {
    ...(refusedRequest !== undefined && { refusedRequest }),
    ...(facets.length > 0 && { facets }),
  };
}

function digestOf(value: string): string {
  return hash('sha256', String(value), 'base64url');
}

function toTokenDocument(token: TokenRecord): TokenDocument {
  return {
    _id: String(token.jti),
    clientId: String(token.clientId),
    resourceId: String(token.resourceId),
    issuedAt: Number(token.issuedAt),
    expiresAt: new Date(token.expiresAt * 1000),
    lineage: String(token.lineage),
    answer: String(token.answer),
  };
}

/** Turns a duplicate key into the conflict it means, and leaves every other error as it is. */
function conflictFrom(
  conflict: Met,
  documents: readonly { readonly _id: string }[] | undefined,
): (error: unknown) => never {
  return error => {
    const { code, writeErrors } = error as { code?: unknown; writeErrors?: readonly { index: number }[] };
    if (code !== DUPLICATE_KEY) throw error;
    if (!documents) throw new UnitConflict(conflict);
    const document = documents[writeErrors?.[0]?.index ?? -1];
    throw document ? new UnitConflict(conflict, document._id) : error;
  };
}

function hasLabel(error: unknown, label: string): boolean {
  return error instanceof MongoError && error.hasErrorLabel(label);
}

/** Nothing was committed, and the same may succeed if it is tried again. */
function isTransient(error: unknown): boolean {
  return error instanceof GaveWay || hasLabel(error, MongoErrorLabel.TransientTransactionError);
}

function notCommitted(error: unknown): StoreUnavailable {
  return error instanceof StoreUnavailable
    ? error
    : new StoreUnavailable('a transaction was not acknowledged', { cause: error });
}
