import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { testEngineRecords } from './engine-records.ts';
import { testPasses } from './passes.ts';
import { type ContractSubject, testStoreContract } from './store-contract.ts';

const subject: ContractSubject = {
  name: 'SQLite',
  async newDatabase(t) {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-contract-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'store.sqlite');
    return { location: `sqlite:${path}`, open: options => openSqliteStore(path, options) };
  },
};

testStoreContract(subject);
testEngineRecords(subject);
testPasses(subject);
