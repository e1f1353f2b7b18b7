/**
 * The small form of `npm run proofs -- power-loss`, which needs no strace: a store's files as they are while nothing is under way, and the
 * part of the log that was written after them, torn.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { storeTrail, verifyTrail } from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { event, insertToken, tokenRecord } from '../contract/records.ts';
import { SEED } from './proof.ts';
import { seededRandom, TornDisk } from './torn-disk.ts';

const CUTS = 30;
const NAMES = ['x.sqlite', 'x.sqlite-wal'];

test('I10: a log that is torn after what was acknowledged hides none of it, and no unit is there by half', async t => {
  t.log(`seed ${SEED}`);
  const random = seededRandom(SEED);
  const parent = await mkdtemp(join(tmpdir(), 'countersign-torn-'));
  t.teardown(() => rm(parent, { recursive: true, force: true }));
  const open = (directory: string) =>
    openSqliteStore(join(directory, 'x.sqlite'), { now: Date.now, lane: newId('lane', Date.now()) });
  const read = (directory: string) => Promise.all(NAMES.map(name => readFile(join(directory, name))));

  const store = await open(parent);
  const commit = async (count: number): Promise<string[]> => {
    const tokens = Array.from({ length: count }, () => tokenRecord());
    await Promise.all(
      tokens.map(token =>
        store.commit({ changes: [insertToken(token)], events: [event({ jti: token.jti })] }),
      ),
    );
    return tokens.map(({ jti }) => jti);
  };
  const acknowledged = await commit(40);
  const [database = Buffer.alloc(0), log = Buffer.alloc(0)] = await read(parent);
  const unacknowledged: string[] = [];
  for (let batch = 0; batch < 5; batch += 1) unacknowledged.push(...(await commit(8)));
  const [databaseAfter, logAfter = Buffer.alloc(0)] = await read(parent);
  t.deepEqual(databaseAfter, database, 'the log went into the database meanwhile: choose fewer tokens');
  await store.close();

  for (let cut = 0; cut < CUTS; cut += 1) {
    const disk = new TornDisk();
    for (const name of NAMES) disk.create(name);
    disk.write('x.sqlite', 0, database);
    disk.write('x.sqlite-wal', 0, log);
    for (const settle of [disk.beginSyncOfDirectory(), ...NAMES.map(name => disk.beginSync(name))]) settle();
    // As SQLite writes: page by page, each with its header.
    for (let offset = log.length; offset < logAfter.length; offset += 4_120) {
      disk.write('x.sqlite-wal', offset, logAfter.subarray(offset, offset + 4_120));
    }
    const ground = join(parent, String(cut));
    await mkdir(ground);
    for (const [name, bytes] of disk.afterPowerLoss(random)) await writeFile(join(ground, name), bytes);

    const torn = await open(ground);
    const where = `cut ${cut}, seed ${SEED}`;
    t.true((await verifyTrail(storeTrail(torn))).isIntact, where);
    const audited = new Set((await torn.readNewest(1_000)).map(row => JSON.parse(row.body).event.jti));
    for (const jti of acknowledged) t.truthy(await torn.findToken(jti as 'tok_'), `${where}: one is lost`);
    for (const jti of unacknowledged) {
      t.is(
        (await torn.findToken(jti as 'tok_')) !== undefined,
        audited.has(jti),
        `${where}: one is there by half`,
      );
    }
    await torn.close();
  }
});
