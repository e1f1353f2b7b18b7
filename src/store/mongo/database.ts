import mongoose, { type Connection, type Model, type Schema } from 'mongoose';

/** A managed record: its JSON text, and beside it only what is searched or must be unique. */
export interface RecordDocument {
  readonly _id: string;
  readonly version: number;
  readonly payload: string;
  readonly emailKey?: string;
  readonly identifierKey?: string;
  readonly ownerId?: string;
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
}

export interface AgentUseDocument {
  /** The agent. */
  readonly _id: string;
  readonly usedAt: number;
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

/** An open database: its connection, and a model for each collection. */
export interface Database extends Awaited<ReturnType<typeof openDatabase>> {}

export type RecordModel = Model<RecordDocument>;

/** Lanes are shorter than this; numbers sort as text when they are padded to one length. */
const SEQ_DIGITS = 16;

/** The key of a row or an announcement of a lane. */
export function laneKey(lane: string, seq: number): string {
  return `${lane}:${String(seq).padStart(SEQ_DIGITS, '0')}`;
}

/** Every acknowledged write is on the disks of a majority. */
export const DURABLE = { w: 'majority', journal: true, wtimeoutMS: 5_000 } as const;

/**
 * Connects, with every setting that durability and the refusal of injected operators rest on set explicitly.
 *
 * @param uri names the database; more settings of the driver may stand in its query
 * @throws when no primary can be found within five seconds
 */
export async function openDatabase(uri: string) {
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

  const record = { version: Number, payload: String };
  return {
    connection,
    person: model<RecordDocument>('person', { ...record, emailKey: String }),
    agent: model<RecordDocument>('agent', { ...record, ownerId: String }),
    agentUse: model<AgentUseDocument>('agent_use', { usedAt: Number }),
    resource: model<RecordDocument>('resource', { ...record, identifierKey: String }),
    signingKey: model<RecordDocument>('signing_key', record),
    token: model<TokenDocument>('token', {
      clientId: String,
      resourceId: String,
      issuedAt: Number,
      expiresAt: Date,
      lineage: String,
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
    heartbeat: model<HeartbeatDocument>('heartbeat', { beat: Number, writtenAt: Date }),
    engineRecord: model<EngineRecordDocument>('engine_record', {
      model: String,
      payload: String,
      grantId: String,
      uid: String,
      expiresAt: Date,
      consumedAt: Number,
    }),
    audit: model<AuditDocument>('audit', {
      lane: String,
      seq: Number,
      body: String,
      hash: String,
      committedAt: Number,
    }),
  };
}

/** The native database behind a connection. */
export function nativeDatabase(connection: Connection): mongoose.mongo.Db {
  if (!connection.db) throw new Error('the connection is not open');
  return connection.db;
}

/** Where a database is, without credentials or options. */
export function describeUri(uri: string): string {
  const parts = /^mongodb(?:\+srv)?:\/\/(?:[^@/]*@)?([^/?]+)\/?([^?]*)/.exec(uri);
  return parts ? `${parts[1]}/${parts[2]}` : 'an unreadable address';
}
