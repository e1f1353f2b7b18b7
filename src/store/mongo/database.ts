import mongoose, { type Connection, type Model, type Schema } from 'mongoose';

/** A managed record: its JSON text, and beside it only what is searched or must be unique. */
export interface RecordDocument {
  readonly _id: string;
  readonly version: number;
  readonly payload: string;
  readonly emailKey?: string;
  readonly identifierKey?: string;
  /** Of a delegation that is active, see delegation-facets.ts. */
  readonly activeKey?: string;
  /** Of an elevation that waits, see elevation-facets.ts. */
  readonly pendingKey?: string;
  readonly ownerId?: string;
  /** By what it is found and ordered, see record-facets.ts. */
  readonly facets?: readonly string[];
  readonly nameKey?: string;
}

export interface TokenDocument {
  /** The `jti`. */
  readonly _id: string;
  readonly clientId: string;
  readonly resourceId: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** A date, since MongoDB deletes by it. */
  readonly expiresAt: Date;
  readonly lineage: string;
  readonly answer: string;
}

export interface AttemptDocument {
  /** SHA-256 of the key, base64url. */
  readonly _id: string;
  readonly count: number;
  readonly expiresAt: Date;
}

export interface KeptAnswerDocument {
  /** SHA-256 of the client and its key, base64url. */
  readonly _id: string;
  readonly requestDigest: string;
  readonly expiresAt: Date;
  readonly answer: string;
}

export interface UsedOnceDocument {
  /** SHA-256 of the value, base64url. */
  readonly _id: string;
  readonly expiresAt: Date;
}

/** What other processes must hear of: a changed record, a raised epoch. */
export interface FeedDocument {
  /** Lane and number. */
  readonly _id: string;
  readonly lane: string;
  /** Counts the announcements of one lane, from 1. */
  readonly seq: number;
  readonly id: string;
  readonly epoch: number;
  readonly forgetAt: Date;
}

/** How many announcements a lane has made: written in the transaction that makes them. */
export interface FeedHeadDocument {
  /** The lane. */
  readonly _id: string;
  readonly seq: number;
  readonly writtenAt: Date;
}

/**
 * An identity: to which epoch it has been raised, and that somebody acts by it. Transactions do not see what commits beside them,
 * but of two that write one document one gives way: so who acts by an identity touches this, and a cutoff of it writes it too.
 */
export interface HandleDocument {
  /** The identity. */
  readonly _id: string;
  readonly epoch: number;
  /** Counts what was done by it, of late. */
  readonly touches?: number;
  readonly forgetAt: Date;
}

/** A process's sign of life to itself, by way of the database and the change stream. */
export interface HeartbeatDocument {
  /** The lane. */
  readonly _id: string;
  readonly beat: number;
  readonly writtenAt: Date;
}

export interface AuditDocument {
  /** Lane and number: a row can exist only once. */
  readonly _id: string;
  readonly lane: string;
  readonly seq: number;
  readonly body: string;
  readonly hash: string;
  readonly committedAt: number;
  /** Of refusals alone: the request, read out of the body. */
  readonly refusedRequest?: string;
  /** By what it is found, see event-facets.ts; absent for tokens. */
  readonly facets?: readonly string[];
  /** By a clock that was accepted how often; absent where none was. */
  readonly clockEra?: number;
}

/** Up to where rows of a lane may be removed. The one without a lane counts how often cuts were moved. */
export interface AuditCutDocument {
  /** The lane. */
  readonly _id: string;
  readonly seq: number;
  readonly hash: string;
}

export interface AgentUseDocument {
  /** The agent: each has a document. */
  readonly _id: string;
  /** Absent where it was never used. */
  readonly usedAt?: number;
  /** When it was last used, or else registered. */
  readonly idleSince: number;
}

/** What an operator decided of a record in a quarantine. */
export interface DecisionDocument {
  /** The epoch that began the quarantine, and the record. */
  readonly _id: string;
  readonly id: string;
  readonly decision: string;
}

export interface EngineRecordDocument {
  /** Model and key. */
  readonly _id: string;
  readonly model: string;
  readonly payload: string;
  readonly grantId?: string;
  readonly uid?: string;
  /** A date, since MongoDB deletes by it. */
  readonly expiresAt: Date;
  /** Milliseconds since the epoch. */
  readonly consumedAt?: number;
}

export interface PassDocument {
  /** Kind and key. */
  readonly _id: string;
  readonly kind: string;
  readonly personId: string;
  readonly version: number;
  readonly createdAt: number;
  /** A date, since MongoDB deletes by it. */
  readonly expiresAt: Date;
  readonly payload: string;
  /** Counts what was done by it: whoever ends it meanwhile, or does that, gives way to the other. */
  readonly touches?: number;
}

/** An open database: its connection, and a model for each collection. */
export interface Database extends Awaited<ReturnType<typeof openDatabase>> {}

export type RecordModel = Model<RecordDocument>;

/** Lanes are shorter than this; numbers sort as text when they are padded to one length. */
const SEQ_DIGITS = 16;

/** The key of a row or an announcement of a lane. */
export function laneKey(lane: string, seq: number): string {
  return `${lane}:${String(seq).padStart(SEQ_DIGITS, '0')}`;
}

/** The key of a decision. */
export function decisionKey(epoch: number, id: string): string {
  return `${epoch}:${id}`;
}

/** Every acknowledged write is on the disks of a majority. */
export const DURABLE = { w: 'majority', journal: true, wtimeoutMS: 5_000 } as const;

/**
 * Connects, with every setting that durability and the refusal of injected operators rest on set explicitly.
 *
 * @param uri names the database; more settings of the driver may stand in its query
 * @throws when no primary can be found within five seconds
 */
export async function connect(uri: string) {
  // An instance of its own: nobody else's settings apply, and ours apply to nobody else.
  const instance = new mongoose.Mongoose({
    strict: 'throw',
    strictQuery: 'throw',
    sanitizeFilter: true,
    bufferCommands: false,
    autoCreate: false,
    autoIndex: false,
  });
  const connection = await instance
    .createConnection(uri, {
      writeConcern: DURABLE,
      retryWrites: true,
      retryReads: true,
      // A secondary may not know yet that something was used, revoked or changed.
      readPreference: 'primary',
      serverSelectionTimeoutMS: 5_000,
      connectTimeoutMS: 5_000,
      maxPoolSize: 40,
      minPoolSize: 2,
      maxIdleTimeMS: 60_000,
    })
    .asPromise();
  return { instance, connection };
}

/** Connects, and makes a model for each collection. @throws as `connect` does */
export async function openDatabase(uri: string) {
  const { instance, connection } = await connect(uri);

  function model<D>(collection: string, definition: Record<string, unknown>): Model<D> {
    const schema = new instance.Schema({ _id: String, ...definition } as never, {
      strict: 'throw',
      strictQuery: 'throw',
      versionKey: false,
      minimize: false,
      autoCreate: false,
      autoIndex: false,
      collection,
    }) as unknown as Schema<D>;
    return connection.model(collection, schema) as unknown as Model<D>;
  }

  const record = { version: Number, payload: String, touches: Number };
  const filed = { facets: [String], nameKey: String };
  return {
    connection,
    person: model<RecordDocument>('person', { ...record, ...filed, emailKey: String }),
    agent: model<RecordDocument>('agent', { ...record, ...filed, ownerId: String }),
    agentUse: model<AgentUseDocument>('agent_use', { usedAt: Number, idleSince: Number }),
    resource: model<RecordDocument>('resource', { ...record, ...filed, identifierKey: String }),
    delegation: model<RecordDocument>('delegation', { ...record, ...filed, activeKey: String }),
    elevation: model<RecordDocument>('elevation', { ...record, ...filed, pendingKey: String }),
    signingKey: model<RecordDocument>('signing_key', record),
    personCredential: model<RecordDocument>('person_credential', record),
    deployment: model<RecordDocument>('deployment', record),
    decision: model<DecisionDocument>('decision', { id: String, decision: String }),
    token: model<TokenDocument>('token', {
      clientId: String,
      resourceId: String,
      issuedAt: Number,
      expiresAt: Date,
      lineage: String,
      answer: String,
    }),
    attempt: model<AttemptDocument>('attempt', { count: Number, expiresAt: Date }),
    keptAnswer: model<KeptAnswerDocument>('kept_answer', {
      requestDigest: String,
      expiresAt: Date,
      answer: String,
    }),
    usedOnce: model<UsedOnceDocument>('used_once', { expiresAt: Date }),
    feed: model<FeedDocument>('feed', {
      lane: String,
      seq: Number,
      id: String,
      epoch: Number,
      forgetAt: Date,
    }),
    feedHead: model<FeedHeadDocument>('feed_head', { seq: Number, writtenAt: Date }),
    handle: model<HandleDocument>('handle', { epoch: Number, touches: Number, forgetAt: Date }),
    heartbeat: model<HeartbeatDocument>('heartbeat', { beat: Number, writtenAt: Date }),
    engineRecord: model<EngineRecordDocument>('engine_record', {
      model: String,
      payload: String,
      grantId: String,
      uid: String,
      expiresAt: Date,
      consumedAt: Number,
    }),
    pass: model<PassDocument>('pass', {
      kind: String,
      personId: String,
      version: Number,
      createdAt: Number,
      expiresAt: Date,
      payload: String,
      touches: Number,
    }),
    auditCut: model<AuditCutDocument>('audit_cut', { seq: Number, hash: String }),
    audit: model<AuditDocument>('audit', {
      lane: String,
      seq: Number,
      body: String,
      hash: String,
      committedAt: Number,
      refusedRequest: String,
      facets: { type: [String], default: undefined },
      clockEra: Number,
    }),
  };
}

/** The native database behind a connection. */
export function nativeDatabase(connection: Connection): mongoose.mongo.Db {
  if (!connection.db) throw new Error('the connection is not open');
  return connection.db;
}
