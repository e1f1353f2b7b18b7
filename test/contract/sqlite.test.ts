import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { testAuthority } from './authority.ts';
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
