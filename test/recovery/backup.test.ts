import { hash } from 'node:crypto';
import { copyFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import { chainHash, storeTrail, verifyTrail } from '../../src/audit/index.ts';
import { DEPLOYMENT } from '../../src/deployment-epoch.ts';
import { newId } from '../../src/ids.ts';
import { packageVersion } from '../../src/process/package-version.ts';
import { backUpSqlite } from '../../src/store/sqlite/backup-file.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Store } from '../../src/store/store.ts';
import { addAgent, addPerson, addResource, getToken, introspect } from '../support/start-app.ts';
import { call, countersign, mustRun, newWorld, start, type World } from './r150.ts';

const backupOf = (world: World): string => join(world.directory, 'backup.sqlite');
const storeOf = (world: World): string => join(world.directory, 'countersign.sqlite');

/** A world with a backup in it, and no server running. */
async function backedUp(t: ExecutionContext): Promise<World> {
  const world = await newWorld(t, {});
  await (await start(t, world)).stop();
  await backUpSqlite(storeOf(world), backupOf(world), {
    serverVersion: packageVersion(),
    nowMs: Date.now(),
    onProgress: () => undefined,
  });
  return world;
}

async function withStore<T>(world: World, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openSqliteStore(storeOf(world), { now: Date.now, lane: newId('lane', Date.now()) });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Refuses to restore, for the reason given, and leaves the store as it was. */
async function refuses(t: ExecutionContext, world: World, reason: RegExp, ...args: string[]): Promise<void> {
  const before = await readFile(storeOf(world));
  const { code, stderr } = await countersign(world, 'restore', 'backup.sqlite', ...args);
  t.is(code, 1);
  t.regex(stderr, reason);
  t.true(before.equals(await readFile(storeOf(world))), 'the store was touched');
  const left = (await readdir(world.directory)).filter(name => /restoring|replaced/.test(name));
  t.deepEqual(left, []);
}

/** Changes the database of a backup, and its manifest with it, so that the checksum is right. */
async function tamper(world: World, change: (database: DatabaseSync) => void): Promise<void> {
  const file = backupOf(world);
  const database = new DatabaseSync(file);
  change(database);
  database.close();
  const manifest = JSON.parse(await readFile(`${file}.json`, 'utf8'));
  const bytes = await readFile(file);
  await writeFile(
    `${file}.json`,
    JSON.stringify({ ...manifest, bytes: bytes.length, sha256: hash('sha256', bytes) }),
  );
}

test('a backup is one moment of the store, and holds nobody up while it is made', async t => {
  const world = await newWorld(t, {});
  const app = await start(t, world);
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const first = await getToken(app, agent, resource);
  const seen: string[] = [];
  await backUpSqlite(storeOf(world), backupOf(world), {
    serverVersion: packageVersion(),
    nowMs: Date.now(),
    onProgress: async (step, done) => {
      if (step !== 'copying' || done > 0) return;
      // The backup goes on when all of this has been answered.
      for (let times = 0; times < 10; times += 1) {
        seen.push(await getToken(app, agent, resource));
        t.true((await introspect(app, resource, first)).json.active);
      }
    },
  });
  t.is(seen.length, 10);
  for (const token of [first, ...seen]) t.true((await introspect(app, resource, token)).json.active);
  const copy = await openSqliteStore(backupOf(world), { now: Date.now, lane: 'a look at it' });
  t.true((await verifyTrail(storeTrail(copy))).isIntact);
  t.is((await copy.listTokens(agent.id, 100)).length, 1, 'what came later is not in it');
  await copy.close();
});

test('a backup of a store that is written to meanwhile has each token with its row', async t => {
  const world = await newWorld(t, {});
  const app = await start(t, world);
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  let isDone = false;
  const issue = async (): Promise<void> => {
    while (!isDone) await getToken(app, agent, resource);
  };
  const load = [issue(), issue(), issue()];
  const told = await mustRun(t, world, 'backup', 'backup.sqlite');
  isDone = true;
  await Promise.all(load);
  t.regex(told, /verified; SHA-256 [0-9a-f]{64}/);
  const trail = await app.store.readNewest(100_000);
  t.true(trail.some(row => row.body.includes('deployment.backed-up')));

  t.is((await stat(backupOf(world))).mode & 0o777, 0o600);
  t.is((await stat(`${backupOf(world)}.json`)).mode & 0o777, 0o600);
  const left = (await readdir(world.directory)).filter(name => /part|backup.sqlite-/.test(name));
  t.deepEqual(left, []);
  const copy = await openSqliteStore(backupOf(world), { now: Date.now, lane: 'a look at it' });
  t.true((await verifyTrail(storeTrail(copy))).isIntact);
  // A token and its row are one commit: no moment has one without the other.
  const rows = (await copy.readNewest(100_000)).map(row => JSON.parse(row.body).event);
  const recorded = rows.filter(event => event.type === 'token.issued').map(event => event.jti);
  const stored = (await copy.listTokens(agent.id, 100_000)).map(token => token.jti);
  t.deepEqual(stored.toSorted(), recorded.toSorted());
  await copy.close();
});

test('a backup overwrites nothing', async t => {
  const world = await backedUp(t);
  const before = await readFile(backupOf(world));
  const { code, stderr } = await countersign(world, 'backup', 'backup.sqlite');
  t.is(code, 1);
  t.regex(stderr, /is there already/);
  t.true(before.equals(await readFile(backupOf(world))));
  await rm(backupOf(world));
  t.is(
    (await countersign(world, 'backup', 'backup.sqlite')).code,
    1,
    'its manifest is one of another backup',
  );
});

test('a backup of which one byte was changed is not restored', async t => {
  const world = await backedUp(t);
  const bytes = await readFile(backupOf(world));
  bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1;
  await writeFile(backupOf(world), bytes);
  await refuses(t, world, /was changed or is damaged/);
});

test('a backup without its manifest is not restored', async t => {
  const world = await backedUp(t);
  await rm(`${backupOf(world)}.json`);
  await refuses(t, world, /a backup consists of both files/);
});

test('a backup whose trail was changed is not restored, though its checksum is right', async t => {
  const world = await backedUp(t);
  await tamper(world, database => {
    database.exec('DROP TRIGGER audit_is_append_only_update');
    database.exec(`UPDATE audit SET body = replace(body, '"at":1', '"at":2') WHERE seq = 3`);
  });
  await refuses(t, world, /the audit trail in backup.sqlite has been changed/);
});

test('a backup whose last row was rewritten and chained anew is not restored: its manifest knows it', async t => {
  const world = await backedUp(t);
  await tamper(world, database => {
    database.exec('DROP TRIGGER audit_is_append_only_delete; DROP TRIGGER audit_is_append_only_update');
    const last = database.prepare('SELECT lane, max(seq) AS seq FROM audit GROUP BY lane').get() as {
      lane: string;
      seq: number;
    };
    const read = database.prepare('SELECT body, hash FROM audit WHERE lane = ? AND seq = ?');
    const before = read.get(last.lane, last.seq - 1) as { hash: string };
    const row = read.get(last.lane, last.seq) as { body: string };
    const body = row.body.replace(/"at":\d+/, '"at":1');
    database
      .prepare('UPDATE audit SET body = ?, hash = ? WHERE lane = ? AND seq = ?')
      .run(body, chainHash(before.hash, body), last.lane, last.seq);
  });
  await refuses(t, world, /does not end where its manifest says/);
});

test('a backup by a newer version is not restored', async t => {
  const world = await backedUp(t);
  const path = `${backupOf(world)}.json`;
  await writeFile(
    path,
    (await readFile(path, 'utf8')).replace(/"schemaVersion": \d+/, '"schemaVersion": 999'),
  );
  await refuses(t, world, /run a newer version of Countersign/);
});

test('a store that a server has open is not replaced', async t => {
  const world = await backedUp(t);
  const app = await start(t, world);
  const { code, stderr } = await countersign(world, 'restore', 'backup.sqlite');
  t.is(code, 1);
  t.regex(stderr, /is in use: stop every server/);
  t.is((await call(app, 'GET', '/readyz')).status, 200, 'the server goes on');
  await app.stop();
  await mustRun(t, world, 'restore', 'backup.sqlite');
});

test('the replaced store is kept, whole', async t => {
  const world = await backedUp(t);
  await withStore(world, store =>
    store.commit({
      changes: [],
      events: [{ type: 'admin.refused', outcome: 'refused', at: 1, requestId: 'after the backup' }],
    }),
  );
  await mustRun(t, world, 'restore', 'backup.sqlite');
  const aside = (await readdir(world.directory)).filter(name => name.includes('.replaced-'));
  t.is(aside.length, 1);
  const kept = new DatabaseSync(join(world.directory, aside[0] ?? ''));
  t.truthy(kept.prepare(`SELECT 1 FROM audit WHERE body LIKE '%after the backup%'`).get());
  kept.close();
  await withStore(world, async store => {
    t.false((await store.readNewest(100)).some(row => row.body.includes('after the backup')));
  });
});

test('a store that cannot be read is replaced only when that is said', async t => {
  const world = await backedUp(t);
  await writeFile(storeOf(world), 'no database at all, and longer than the header of one'.repeat(10));
  await refuses(t, world, /cannot be read/);
  await mustRun(t, world, 'restore', 'backup.sqlite', '--replace-damaged');
  t.is((await countersign(world, 'quarantine', 'status')).code, 1);
});

test('the log of a store that is gone is not taken for that of the restored one', async t => {
  const world = await backedUp(t);
  await rm(storeOf(world));
  await writeFile(`${storeOf(world)}-wal`, 'left behind');
  await mustRun(t, world, 'restore', 'backup.sqlite');
  const names = await readdir(world.directory);
  t.false(names.includes('countersign.sqlite-wal'));
  t.true(
    names.some(name => /replaced-.*-wal$/.test(name)),
    'it is kept',
  );
});

test('each restore of one backup begins a quarantine of its own: the epoch never repeats', async t => {
  const world = await backedUp(t);
  const epochs: number[] = [];
  for (const _ of ['once', 'again']) {
    await mustRun(t, world, 'restore', 'backup.sqlite');
    await withStore(world, async store => void epochs.push(store.epochs.raisedTo(DEPLOYMENT)));
    await mustRun(t, world, 'quarantine', 'confirm', '--all', '5', '--secret', 'keep');
    await mustRun(t, world, 'quarantine', 'open');
    await withStore(world, async store => void epochs.push(store.epochs.raisedTo(DEPLOYMENT)));
  }
  t.deepEqual(epochs, [...new Set(epochs)].toSorted());
  t.deepEqual(
    epochs.map(epoch => epoch % 2),
    [1, 0, 1, 0],
  );
  const app = await start(t, world);
  t.is(
    (await call(app, 'GET', '/readyz')).status,
    200,
    'what was restored by command is not found once more',
  );
});

test('R150: a store that was copied back by hand is quarantined at the next start', async t => {
  const world = await newWorld(t, {});
  await (await start(t, world)).stop();
  await copyFile(storeOf(world), join(world.directory, 'by-hand.sqlite'));

  await (await start(t, world)).stop();
  const untouched = await start(t, world);
  t.is((await call(untouched, 'GET', '/readyz')).status, 200, 'a store that nobody replaced stays open');
  await untouched.stop();

  await copyFile(join(world.directory, 'by-hand.sqlite'), storeOf(world));
  const app = await start(t, world);
  t.is((await call(app, 'GET', '/readyz')).json.checks.quarantine, 'quarantined');
  await app.stop();
  const told = await countersign(world, 'quarantine', 'status');
  t.regex(told.stdout, /an older one was put in its place/);
  await mustRun(t, world, 'quarantine', 'confirm', '--all', '5', '--secret', 'keep');
  await mustRun(t, world, 'quarantine', 'open');
  const opened = await start(t, world);
  t.is((await call(opened, 'GET', '/readyz')).status, 200, 'it is asked once');
});

test('a damaged high-water mark is not passed over', async t => {
  const world = await newWorld(t, {});
  await (await start(t, world)).stop();
  await writeFile(join(world.directory, 'high-water-mark.json'), '{');
  await t.throwsAsync(start(t, world), {
    message: /it is damaged, and it tells whether the store was rolled back; /,
  });
});

test('the mark of another store says nothing of this one', async t => {
  const world = await newWorld(t, {});
  await (await start(t, world)).stop();
  await rm(storeOf(world));
  const app = await start(t, world);
  t.is((await call(app, 'GET', '/readyz')).status, 200);
});
