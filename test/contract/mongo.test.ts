import test from 'ava';
import { migrateMongo, openMongoStore } from '../../src/store/mongo/index.ts';
import { type MongoServer, startMongoServer } from '../support/mongo-server.ts';
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
  };
  testStoreContract(subject);
  testEngineRecords(subject);
  testPasses(subject);
}
