import type mongoose from 'mongoose';
import { facetsOfEvent, type ManagedRecord } from '../../audit/index.ts';
import { CannotUse } from '../../cannot-use.ts';
import { type FiledCollection, fileRecord } from '../record-facets.ts';
import { connect, nativeDatabase } from './database.ts';
import { describeUri } from './describe-uri.ts';

type Db = mongoose.mongo.Db;

/**
 * The schema, one step a version. A step is never edited once released: a new one is added. Each can be applied again after it
 * was interrupted. The collection `schema_version` holds how many have been applied.
 */
const STEPS: readonly ((db: Db) => Promise<void>)[] = [
  async db => {
    await createCollections(db, [
      ...['person', 'agent', 'agent_use', 'resource', 'signing_key', 'token', 'used_once'],
      ...['feed', 'feed_head', 'heartbeat', 'audit'],
    ]);
    await db.collection('person').createIndex(
      { emailKey: 1 },
      // Absent addresses are not alike.
      { unique: true, partialFilterExpression: { emailKey: { $type: 'string' } } },
    );
    await db.collection('agent').createIndex({ ownerId: 1 });
    await db.collection('resource').createIndex({ identifierKey: 1 }, { unique: true });
    await db.collection('token').createIndex({ clientId: 1, issuedAt: -1 });
    await db.collection('token').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 60 });
    // These two must not go early where the server's clock is ahead of ours.
    await db.collection('used_once').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 3_600 });
    await db.collection('feed').createIndex({ forgetAt: 1 }, { expireAfterSeconds: 3_600 });
    await db.collection('feed_head').createIndex({ writtenAt: 1 }, { expireAfterSeconds: 3_600 });
    await db.collection('heartbeat').createIndex({ writtenAt: 1 }, { expireAfterSeconds: 3_600 });
    await db.collection('audit').createIndex({ lane: 1, seq: 1 }, { unique: true });
    await db.collection('audit').createIndex({ committedAt: -1, _id: -1 });
    // Finds the lanes by their first rows.
    await db
      .collection('audit')
      .createIndex({ seq: 1, committedAt: 1 }, { partialFilterExpression: { seq: 1 }, name: 'first_rows' });
  },
  async db => {
    await createCollections(db, ['engine_record']);
    const records = db.collection('engine_record');
    await records.createIndex({ model: 1, grantId: 1 });
    await records.createIndex({ model: 1, uid: 1 });
    await records.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 60 });
  },
  async db => {
    await createCollections(db, ['deployment', 'decision']);
  },
  async db => {
    await db
      .collection('audit')
      .createIndex(
        { refusedRequest: 1 },
        { partialFilterExpression: { refusedRequest: { $exists: true } }, name: 'refused_requests' },
      );
  },
  async db => {
    await db.collection('token').createIndex({ clientId: 1, issuedAt: -1, _id: -1 });
    await dropIndex(db, 'token', 'clientId_1_issuedAt_-1');
  },
  async db => {
    await createCollections(db, ['attempt']);
    await db.collection('attempt').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 60 });
  },
  async db => {
    await createCollections(db, ['kept_answer']);
    // Must not go early where the server's clock is ahead of ours.
    await db.collection('kept_answer').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 3_600 });
  },
  async db => {
    for (const collection of ['agent', 'person', 'resource'] satisfies FiledCollection[]) {
      const records = db.collection<StoredRecord>(collection);
      for await (const { _id, payload } of records.find({}, { projection: { payload: 1 } })) {
        const filed = fileRecord(collection, JSON.parse(payload) as ManagedRecord);
        await records.updateOne({ _id }, { $set: { ...filed } });
      }
      await records.createIndex({ facets: 1, _id: 1 });
      await records.createIndex({ facets: 1, nameKey: 1, _id: 1 });
    }
    const uses = db.collection<StoredUse>('agent_use');
    for await (const { _id, payload } of db.collection<StoredRecord>('agent').find()) {
      const { createdAt } = JSON.parse(payload) as ManagedRecord;
      const usedAt = (await uses.findOne({ _id }))?.usedAt;
      await uses.updateOne({ _id }, { $set: { idleSince: usedAt ?? createdAt } }, { upsert: true });
    }
    await uses.createIndex({ idleSince: 1, _id: 1 });
  },
  async db => {
    const audit = db.collection<{ readonly _id: string; readonly body: string }>('audit');
    for await (const { _id, body } of audit.find({}, { projection: { body: 1 } })) {
      const facets = facetsOfEvent(body);
      if (facets.length > 0) await audit.updateOne({ _id }, { $set: { facets } });
    }
    await audit.createIndex(
      { facets: 1, committedAt: -1, _id: -1 },
      { partialFilterExpression: { facets: { $exists: true } }, name: 'facets' },
    );
  },
  async db => {
    await createCollections(db, ['audit_cut']);
  },
  async db => {
    await createCollections(db, ['person_credential', 'pass']);
    await db.collection('pass').createIndex({ personId: 1, kind: 1 });
    await db.collection('pass').createIndex({ expiresAt: 1 }, { expireAfterSeconds: 60 });
  },
  async db => {
    await createCollections(db, ['handle']);
    const handles = db.collection<StoredHandle>('handle');
    // Must not go early where the server's clock is ahead of ours.
    await handles.createIndex({ forgetAt: 1 }, { expireAfterSeconds: 3_600 });
    for await (const { id, epoch, forgetAt } of db
      .collection<StoredAnnouncement>('feed')
      .find({ epoch: { $gt: 0 } })) {
      await handles.updateOne({ _id: id }, { $max: { epoch, forgetAt } }, { upsert: true });
    }
  },
  async db => {
    await db
      .collection('audit')
      .createIndex(
        { clockEra: 1, committedAt: -1, _id: -1 },
        { partialFilterExpression: { clockEra: { $exists: true } }, name: 'clock_eras' },
      );
  },
  async db => {
    await createCollections(db, ['delegation']);
    const delegations = db.collection('delegation');
    await delegations.createIndex(
      { activeKey: 1 },
      // Those that have ended have none, and are not alike.
      { unique: true, partialFilterExpression: { activeKey: { $type: 'string' } } },
    );
    await delegations.createIndex({ facets: 1, _id: 1 });
  },
  async db => {
    await createCollections(db, ['elevation']);
    const elevations = db.collection('elevation');
    await elevations.createIndex(
      { pendingKey: 1 },
      // Those that wait no longer have none, and are not alike.
      { unique: true, partialFilterExpression: { pendingKey: { $type: 'string' } } },
    );
    await elevations.createIndex({ facets: 1, _id: 1 });
  },
];

interface StoredHandle {
  readonly _id: string;
  readonly epoch: number;
  readonly forgetAt: Date;
}

interface StoredAnnouncement extends Omit<StoredHandle, '_id'> {
  readonly _id: string;
  readonly id: string;
}

interface StoredRecord {
  readonly _id: string;
  readonly payload: string;
}

interface StoredUse {
  readonly _id: string;
  readonly usedAt?: number;
  readonly idleSince?: number;
}

export const SCHEMA_VERSION = STEPS.length;

const NAMESPACE_EXISTS = 48;
const INDEX_NOT_FOUND = 27;

interface VersionDocument {
  readonly _id: 'schema';
  readonly version: number;
}

/**
 * Brings the collections and indexes up to date. Processes may do so at the same time.
 *
 * @param uri names the database
 * @throws when the database was written by a newer version, or cannot be reached
 */
export async function migrateMongo(uri: string): Promise<void> {
  const { connection } = await connect(uri);
  try {
    const db = nativeDatabase(connection);
    await assertReplicaSet(db, uri);
    const current = (await schemaVersion(db)) ?? 0;
    if (current > SCHEMA_VERSION) throw newerSchema(current);
    for (const step of STEPS.slice(current)) await step(db);
    await db
      .collection<VersionDocument>('schema_version')
      .updateOne({ _id: 'schema' }, { $max: { version: SCHEMA_VERSION } }, { upsert: true });
  } finally {
    await connection.close();
  }
}

/** A standalone knows no transactions and no change streams: it is told before anything is made in it. */
async function assertReplicaSet(db: Db, uri: string): Promise<void> {
  const { setName, msg } = await db.admin().command({ hello: 1 });
  if (setName !== undefined || msg === 'isdbgrid') return;
  throw new CannotUse(
    `MongoDB at ${describeUri(uri)} (COUNTERSIGN_STORE)`,
    'it is a standalone, without the transactions that all processes agree by',
    'make it a replica set (mongod --replSet NAME, then rs.initiate()) and name that in the option replicaSet',
  );
}

/** @throws when the database does not have exactly the schema that this program knows */
export async function assertSchemaVersion(db: Db): Promise<void> {
  const current = await schemaVersion(db);
  if (current === undefined) throw new Error('the database has no schema yet: migrate it first');
  if (current > SCHEMA_VERSION) throw newerSchema(current);
  if (current < SCHEMA_VERSION) {
    throw new Error(
      `the database has schema version ${current}, this program needs ${SCHEMA_VERSION}: migrate it first`,
    );
  }
}

/** How many steps of the schema a database has; undefined where there is none. */
export async function schemaVersion(db: Db): Promise<number | undefined> {
  return (await db.collection<VersionDocument>('schema_version').findOne({ _id: 'schema' }))?.version;
}

function newerSchema(current: number): Error {
  return new CannotUse(
    'The store (COUNTERSIGN_STORE)',
    `the database has schema version ${current}, this program knows ${SCHEMA_VERSION}`,
    'run a newer version of Countersign',
  );
}

async function dropIndex(db: Db, collection: string, name: string): Promise<void> {
  await db
    .collection(collection)
    .dropIndex(name)
    .catch(error => {
      if ((error as { code?: number }).code !== INDEX_NOT_FOUND) throw error;
    });
}

async function createCollections(db: Db, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await db.createCollection(name).catch(error => {
      if ((error as { code?: number }).code !== NAMESPACE_EXISTS) throw error;
    });
  }
}
