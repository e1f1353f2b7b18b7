/** What the production store does when its database fails: every unit lands once or not at all, and nothing old is answered. */
import test from 'ava';
import { StoreUnavailable } from '../../src/errors.ts';
import { newId } from '../../src/ids.ts';
import { migrateMongo, openMongoStore } from '../../src/store/mongo/index.ts';
import type { Store } from '../../src/store/store.ts';
import { EventCount } from '../support/event-count.ts';
import { type FailPoint, type MongoServer, startMongoServer } from '../support/mongo-server.ts';
import { patientStore, untilAnswered } from '../support/patience.ts';
import { cutOff, event, insertToken, tokenRecord, useOnce } from './records.ts';
import { verifiedLane } from './store-contract.ts';

const server: MongoServer | undefined = await startMongoServer({ alone: true });
test.after.always(() => server?.stop());
const run = server?.isOurs ? test.serial : test.serial.skip;

const APP_NAME = 'faulty';
const TRANSIENT = ['TransientTransactionError'];
const RETRYABLE = ['RetryableWriteError'];
const UNKNOWN = ['UnknownTransactionCommitResult', 'RetryableWriteError'];

async function openFaulty(t: {
  teardown(work: () => Promise<unknown>): void;
}): Promise<{ store: Store; lane: string; uri: string }> {
  const uri = server?.freshUri(APP_NAME) ?? '';
  await migrateMongo(uri);
  const lane = newId('lane', Date.now());
  const store = await openMongoStore(uri, { now: Date.now, lane });
  t.teardown(async () => {
    await server?.setFailPoint({ mode: 'off' });
    await store.close();
  });
  return { store, lane, uri };
}

const FAULTS: Readonly<Record<string, NonNullable<FailPoint['data']>>> = {
  'the connection breaks at an insert': { failCommands: ['insert'], closeConnection: true },
  'the connection breaks at the commit': { failCommands: ['commitTransaction'], closeConnection: true },
  'the node shuts down at an insert (91)': {
    failCommands: ['insert'],
    errorCode: 91,
    errorLabels: TRANSIENT,
  },
  'a write conflict (112)': { failCommands: ['insert'], errorCode: 112, errorLabels: TRANSIENT },
  'the primary steps down at an insert (189)': {
    failCommands: ['insert'],
    errorCode: 189,
    errorLabels: TRANSIENT,
  },
  'not writable primary at the commit (10107)': {
    failCommands: ['commitTransaction'],
    errorCode: 10107,
    errorLabels: RETRYABLE,
  },
  'interrupted at shutdown at the commit (11600)': {
    failCommands: ['commitTransaction'],
    errorCode: 11600,
    errorLabels: UNKNOWN,
  },
  'the write concern fails at the commit (64)': {
    failCommands: ['commitTransaction'],
    writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' },
  },
};

for (const [name, data] of Object.entries(FAULTS)) {
  for (const times of [1, 3]) {
    run(`MongoDB: ${name}, ${times} times: a unit lands once or not at all`, async t => {
      const { store, lane, uri } = await openFaulty(t);
      const token = tokenRecord();
      const unit = {
        changes: [useOnce(name), insertToken(token), cutOff(token.jti)],
        events: [event({ jti: token.jti })],
      };
      await server?.setFailPoint({ mode: { times }, data: { ...data, appName: APP_NAME } });
      const outcome = await store.commit(unit).catch(error => {
        t.true(error instanceof StoreUnavailable, String(error));
        return undefined;
      });
      await server?.setFailPoint({ mode: 'off' });

      const other = patientStore(
        await openMongoStore(uri, { now: Date.now, lane: newId('lane', Date.now()) }),
      );
      t.teardown(() => other.close());
      const rows = (await other.readNewest(100)).filter(row => row.body.includes(token.jti));
      const found = await other.findToken(token.jti);
      const isDead = other.epochs.raisedTo(token.jti) > 0;
      if (outcome) {
        t.true(outcome.committed, 'nobody else used the value');
        t.is(rows.length, 1);
      }
      // All of it or nothing, whatever the caller was told.
      t.is(rows.length, found ? 1 : 0);
      t.is(isDead, found !== undefined);
      // And the value is used up exactly where the unit landed.
      const again = await other.commit({ changes: [useOnce(name)], events: [] });
      t.is(again.committed, found === undefined);
      // The store goes on, without a gap in its lane.
      await store.commit({ changes: [], events: [event({ jti: 'afterwards' })] });
      await verifiedLane(t, other, lane);
    });
  }
}

run('MongoDB: I7: a process whose database hangs refuses, and goes on when it answers again', async t => {
  const { store } = await openFaulty(t);
  const token = tokenRecord();
  await store.commit({ changes: [insertToken(token)], events: [event()] });
  t.deepEqual(await untilAnswered(() => store.findToken(token.jti)), token);

  await server?.setFailPoint({
    mode: 'alwaysOn',
    data: {
      failCommands: ['insert', 'update', 'findAndModify', 'getMore', 'aggregate', 'find'],
      blockConnection: true,
      blockTimeMS: 3_000,
      appName: APP_NAME,
    },
  });
  // What it has heard counts for a moment more; then it refuses, while the database still hangs.
  let refusal: unknown;
  while (refusal === undefined)
    refusal = await store.findToken(token.jti).then(
      () => undefined,
      error => error,
    );
  t.true(refusal instanceof StoreUnavailable, String(refusal));

  await server?.setFailPoint({ mode: 'off' });
  t.deepEqual(await untilAnswered(() => store.findToken(token.jti)), token);
});

run('MongoDB: a database that is killed and comes back has everything that was acknowledged', async t => {
  const { store } = await openFaulty(t);
  const acknowledged: string[] = [];
  const commits = new EventCount();
  let isRunning = true;
  const writer = async (): Promise<void> => {
    while (isRunning) {
      const token = tokenRecord();
      const outcome = await store
        .commit({ changes: [insertToken(token)], events: [event({ jti: token.jti })] })
        .catch(() => undefined);
      if (!outcome?.committed) continue;
      acknowledged.push(token.jti);
      commits.note();
    }
  };
  const writers = Array.from({ length: 6 }, writer);
  await commits.reached(60);
  await server?.kill();
  const before = commits.count;
  await server?.restart();
  await commits.reached(before + 30);
  isRunning = false;
  await Promise.all(writers);
  for (const jti of acknowledged)
    t.truthy(await untilAnswered(() => store.findToken(jti as `tok_${string}`)));
});
