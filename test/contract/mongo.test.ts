import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import mongoose from 'mongoose';
import { migrateMongo, openMongoStore } from '../../src/store/mongo/index.ts';
import { type MongoServer, startMongoServer } from '../support/mongo-server.ts';
import { testAuthority } from './authority.ts';
import { testDelegations } from './delegations.ts';
import { testElevations } from './elevations.ts';
import { testEngineRecords } from './engine-records.ts';
import { testPasses } from './passes.ts';
import { type ContractSubject, testStoreContract } from './store-contract.ts';

let server: MongoServer | undefined;

test.before('start a server', async () => {
  server = await startMongoServer();
});

test.after.always('stop the server', () => server?.stop());

if (process.env['COUNTERSIGN_TEST_MONGODB'] === 'off') {
  test.skip('MongoDB: left out, as COUNTERSIGN_TEST_MONGODB=off says', () => undefined);
} else {
  const subject: ContractSubject = {
    name: 'MongoDB',
    async newDatabase() {
      const uri = server?.freshUri() ?? '';
      await migrateMongo(uri);
      return { location: uri, open: options => openMongoStore(uri, options) };
    },
    async watchCommits(t, { location }) {
      const client = await new mongoose.mongo.MongoClient(location).connect();
      const audit = client.db().collection('audit');
      const stream = audit.watch([{ $match: { operationType: 'insert' } }]);
      t.teardown(async () => {
        await stream.close();
        await client.close();
      });
      const targets: string[] = [];
      // It shows nothing before it runs: what is written again and again shows when it does.
      const runs = stream.next();
      let isRunning = false;
      void runs.then(() => {
        isRunning = true;
      });
      for (let n = 0; !isRunning; n += 1) {
        await audit.insertOne({ _id: `mark ${n}` as never, lane: 'marks', seq: n });
        await delay(20);
      }
      return async awaited => {
        while (!awaited.every(target => targets.includes(target))) {
          const change = await stream.next();
          if (change.operationType === 'insert' && change.fullDocument['body'])
            targets.push(String(JSON.parse(change.fullDocument['body']).event.target));
        }
        return targets;
      };
    },
    ordersSharedHandles: false,
  };
  testStoreContract(subject);
  testEngineRecords(subject);
  testPasses(subject);
  testAuthority(subject);
  testDelegations(subject);
  testElevations(subject);
}
