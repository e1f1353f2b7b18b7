import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'ava';
import { StoreUnavailable } from '../../src/errors.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { TokenId, TokenRecord } from '../../src/tokens/index.ts';
import { testAuthority } from './authority.ts';
import { testDelegations } from './delegations.ts';
import { testElevations } from './elevations.ts';
import { testEngineRecords } from './engine-records.ts';
import { testPasses } from './passes.ts';
import { agentRecord, cutOff, event, insertToken, tokenRecord } from './records.ts';
import { type ContractSubject, openStore, testStoreContract } from './store-contract.ts';

const subject: ContractSubject = {
  name: 'SQLite',
  async newDatabase(t) {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-contract-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'store.sqlite');
    return { location: `sqlite:${path}`, open: options => openSqliteStore(path, options) };
  },
  async watchCommits(t, { location }) {
    const database = new DatabaseSync(location.slice('sqlite:'.length), { readOnly: true });
    t.teardown(() => database.close());
    const rows = database.prepare(
      "SELECT json_extract(body, '$.event.target') AS target FROM audit ORDER BY position",
    );
    return async () => rows.all().map(({ target }) => String(target));
  },
  ordersSharedHandles: true,
};

testStoreContract(subject);
testEngineRecords(subject);
testPasses(subject);
testAuthority(subject);
testDelegations(subject);
testElevations(subject);

test.serial('SQLite: what was heard in a transaction that came to nothing has not happened', async t => {
  const store = await openStore(t, await subject.newDatabase(t));
  const actBy = (who: `agt_${string}`, id: `agt_${string}`) =>
    store.commit({
      changes: [{ kind: 'insert', collection: 'agent', record: agentRecord({ id }) }],
      events: [event()],
      authority: { lineage: `${who}:0`, expiresAt: 8_000_000_000_000, own: [who] },
    });
  const unfit = { ...tokenRecord(), lineage: null as never };
  const batch = await Promise.allSettled([
    store.commit({ changes: [cutOff('agt_1')], events: [event()] }),
    // This one hears of it.
    actBy('agt_2', 'agt_undone'),
    // And this one cannot be written, nor can its neighbours.
    store.commit({ changes: [{ kind: 'insert-token', token: unfit }], events: [] }),
  ]);
  for (const each of batch) t.true(each.status === 'rejected' && each.reason instanceof StoreUnavailable);
  t.deepEqual(await actBy('agt_1', 'agt_first'), { committed: true });
  // It is announced under the number that was heard before.
  t.deepEqual(await store.commit({ changes: [cutOff('agt_3')], events: [event()] }), { committed: true });
  t.deepEqual(await actBy('agt_3', 'agt_second'), {
    committed: false,
    conflict: 'authority-ended',
    ended: 'agt_3:0',
  });
});

test.serial(
  'SQLite: what has expired is swept, however much that lives longer was issued before it and after it',
  async t => {
    const day = 86_400;
    const start = 1_800_000_000;
    let now = start * 1_000;
    const database = await subject.newDatabase(t);
    const store = await openStore(t, database, { now: () => now });
    const issue = (count: number, issuedAt: number, expiresAt: number) =>
      store.commit({
        changes: Array.from({ length: count }, () => insertToken(tokenRecord({ issuedAt, expiresAt }))),
        events: [],
      });
    await issue(1_200, start, start + day);
    await issue(3, start + 1, start + 60);
    await issue(5_500, start + 2, start + day);
    await issue(700, start + 3, start + 60);
    await issue(1_200, start + 4, start + day);
    const reader = new DatabaseSync(database.location.slice('sqlite:'.length), { readOnly: true });
    t.teardown(() => reader.close());
    const left = () =>
      reader.prepare('SELECT expires_at AS at, count(*) AS n FROM access_token GROUP BY 1').all();
    now += 1_000_000;
    for (let sweeps = 0; sweeps < 12; sweeps += 1) await store.sweep();
    t.deepEqual(
      left().map(({ at, n }) => [at, n]),
      [[start + day, 7_900]],
    );
    // In the usual order, all of one life, they go from the front at once.
    now += (day + 100) * 1_000;
    for (let sweeps = 0; sweeps < 17; sweeps += 1) await store.sweep();
    t.deepEqual(left(), []);
  },
);

test.serial(
  'I1: SQLite: what was used stays used until an hour after its end, whenever it was used, and goes within a minute of that',
  async t => {
    const hour = 3_600_000;
    const end = 1_800_000_000_000;
    let now = end - 2 * hour;
    const store = await openStore(t, await subject.newDatabase(t), { now: () => now });
    const use = async (name: string) =>
      (
        await store.commit({
          changes: [{ kind: 'use-once', value: name, usableFrom: 0, expiresAt: end }],
          events: [],
        })
      ).committed;
    const sweep = async (at: number) => {
      now = at;
      while ((await store.sweep()) > 0);
    };
    t.true(await use('early'));
    now = end - 1;
    t.true(await use('late'));
    now = end + 1;
    t.true(await use('after'));
    await sweep(end + hour);
    for (const name of ['early', 'late', 'after']) t.false(await use(name), name);
    await sweep(end + hour + 60_001);
    for (const name of ['early', 'late', 'after']) t.true(await use(name), name);
  },
);

test.serial(
  'SQLite: after a stop the one file has everything, also while somebody else still reads it',
  async t => {
    const database = await subject.newDatabase(t);
    const file = database.location.slice('sqlite:'.length);
    const store = await openStore(t, database);
    const reader = new DatabaseSync(file, { readOnly: true });
    t.teardown(() => reader.close());
    const rows = (of: DatabaseSync) =>
      of.prepare('SELECT lane, seq, hash FROM audit ORDER BY position').all();
    await store.commit({ changes: [insertToken(tokenRecord())], events: [event()] });
    t.is(rows(reader).length, 2);
    await store.close();
    await copyFile(file, `${file}.copy`);
    const copy = new DatabaseSync(`${file}.copy`, { readOnly: true });
    t.teardown(() => copy.close());
    t.deepEqual(rows(copy), rows(reader));
  },
);

test.serial(
  'SQLite: tokens of one millisecond whose digests begin alike are all found, listed page after page, ended apart and swept',
  async t => {
    const now = Math.floor(Date.now() / 1000);
    let later = now * 1000;
    const store = await openStore(t, await subject.newDatabase(t), { now: () => later });
    const begun = tokenRecord({ issuedAt: now }).jti.slice(0, 'tok_'.length + 12);
    const tokens = Array.from({ length: 6 }, (_, index) =>
      tokenRecord({
        jti: `${begun}${randomBytes(24).toString('base64url').slice(0, 30)}A` as TokenId,
        issuedAt: now,
        expiresAt: now + (index < 3 ? 60 : 600),
      }),
    );
    for (const token of tokens) {
      t.deepEqual(await store.commit({ changes: [insertToken(token)], events: [event()] }), {
        committed: true,
      });
    }
    for (const token of tokens) {
      t.deepEqual(await store.findToken(token.jti), token);
      t.deepEqual(await store.commit({ changes: [insertToken(token)], events: [event()] }), {
        committed: false,
        conflict: 'already-exists',
      });
    }
    const listed: TokenRecord[] = [];
    for (let page = await store.listTokens('agt_1', 1); page.length > 0; ) {
      listed.push(...page);
      page = await store.listTokens('agt_1', 1, listed.at(-1)?.jti);
    }
    t.deepEqual(listed, tokens.toReversed());
    later += 200_000;
    while ((await store.sweep()) > 0);
    const left = await Promise.all(tokens.map(({ jti }) => store.findToken(jti)));
    t.deepEqual(
      left.map(token => token !== undefined),
      [false, false, false, true, true, true],
    );
  },
);
