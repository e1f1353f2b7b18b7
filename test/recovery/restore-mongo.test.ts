/**
 * MongoDB is backed up by its own tools (docs/backup.md). They are not installed here: what stands in for them copies every
 * collection out in one snapshot, and back in; the quarantine is the same program's.
 */
import { randomBytes } from 'node:crypto';
import test from 'ava';
import mongoose from 'mongoose';
import { type MongoServer, startMongoServer } from '../support/mongo-server.ts';
import {
  type BackupMeans,
  holdClosed,
  holdDead,
  listed,
  mustRun,
  untilRestored,
  type World,
} from './r150.ts';

type Document = mongoose.mongo.Document;
type Copy = ReadonlyMap<string, readonly Document[]>;

const server: MongoServer | undefined = await startMongoServer();
test.after.always(() => server?.stop());
const run = server ? test.serial : test.serial.skip;

function storeEnv(): Record<string, string> {
  return {
    COUNTERSIGN_STORE: server?.freshUri() ?? '',
    COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
  };
}

async function withDatabase<T>(
  { env }: World,
  work: (db: mongoose.mongo.Db, client: mongoose.mongo.MongoClient) => Promise<T>,
): Promise<T> {
  const client = new mongoose.mongo.MongoClient(env['COUNTERSIGN_STORE'] ?? '');
  try {
    await client.connect();
    return await work(client.db(), client);
  } finally {
    await client.close();
  }
}

/** Every document of every collection, as of one moment: what `mongodump --oplog` brings. */
function dump(world: World): Promise<Copy> {
  return withDatabase(world, async (db, client) => {
    const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
    const session = client.startSession();
    session.startTransaction({ readConcern: { level: 'snapshot' } });
    const copy = new Map<string, readonly Document[]>();
    for (const name of names) copy.set(name, await db.collection(name).find({}, { session }).toArray());
    await session.abortTransaction();
    await session.endSession();
    return copy;
  });
}

/** Empties every collection and puts the copy in; the indexes stay: what `mongorestore --drop` brings. */
function put(world: World, copy: Copy): Promise<void> {
  return withDatabase(world, async db => {
    for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
      await db.collection(name).deleteMany({});
      const documents = copy.get(name) ?? [];
      if (documents.length > 0) await db.collection(name).insertMany([...documents]);
    }
  });
}

function byDriver(): BackupMeans {
  let copy: Copy = new Map();
  return {
    backUp: async world => {
      copy = await dump(world);
    },
    restore: async world => {
      await put(world, copy);
      return 'put back by hand';
    },
  };
}

run(
  'R150: what was taken away after the backup stays away when the exported trail is replayed (mongodb)',
  async t => {
    const { world, story } = await untilRestored(t, storeEnv(), byDriver());
    await mustRun(t, world, 'quarantine', 'start', '--yes');
    await holdClosed(t, world, story);
    const trail = ['--checkpoints', 'checkpoints.jws', '--key', 'checkpoint.pub.pem'];
    await mustRun(t, world, 'quarantine', 'replay', '--audit', 'trail.jsonl', ...trail);
    await holdDead(t, world, story);
    await mustRun(t, world, 'audit', 'verify', ...trail);
  },
);

run(
  'R150: a MongoDB database that was put back without a word is noticed at the next start, and opens record by record',
  async t => {
    const { world, story } = await untilRestored(t, storeEnv(), byDriver());
    await holdClosed(t, world, story);
    const { killed, retired, disabledId, closedResource, killedKey, rotated, delegation } = story;
    const close = [killed.id, retired.id, disabledId, closedResource.id, killedKey, delegation.id];
    await mustRun(t, world, 'quarantine', 'keep-closed', ...close);
    await mustRun(t, world, 'quarantine', 'confirm', rotated.id, '--secret', 'new');
    const left = await listed(t, world);
    await mustRun(t, world, 'quarantine', 'confirm', '--all', String(left.length), '--secret', 'keep');
    await mustRun(t, world, 'quarantine', 'open');
    await holdDead(t, world, story);
  },
);
