/** What every store must do for the records of the protocol engine, whichever database is behind it. */
import test, { type ExecutionContext } from 'ava';
import type { EngineChange, EngineRecord } from '../../src/provider/engine-store.ts';
import type { Store } from '../../src/store/store.ts';
import { type ContractSubject, openStore } from './store-contract.ts';

const RACERS = 20;
const ROUNDS = 5;

let records = 0;

function engineRecord(overrides: Partial<EngineRecord> = {}): EngineRecord {
  records += 1;
  return {
    model: 'AuthorizationCode',
    key: `Key_${records}`,
    payload: '{"https://claims.example/x":{"$set":1,"x5t#S256":"é"}}',
    expiresAt: Date.now() + 60_000,
    ...overrides,
  };
}

const put = (record: EngineRecord): EngineChange => ({ kind: 'engine-put', record });
const consume = ({ model, key }: EngineRecord, now = Date.now()): EngineChange => ({
  kind: 'engine-consume',
  model,
  key,
  now,
});

async function commit(store: Store, ...changes: EngineChange[]): Promise<string> {
  const outcome = await store.commit({ changes, events: [], authority: { none: 'boot' } });
  return outcome.committed ? 'committed' : outcome.conflict;
}

export function testEngineRecords(subject: ContractSubject): void {
  const serial = (title: string, body: (t: ExecutionContext) => Promise<void>): void =>
    test.serial(`${subject.name}: ${title}`, body);

  serial(
    'an engine record comes back as it was put in, under its own model and letter case only',
    async t => {
      const store = await openStore(t, await subject.newDatabase(t));
      const plain = engineRecord();
      const session = engineRecord({ model: 'Session', uid: 'uid-1', grantId: 'grant-1' });
      t.is(await commit(store, put(plain), put(session)), 'committed');
      t.deepEqual(await store.findEngineRecord(plain.model, plain.key), plain);
      t.deepEqual(await store.findEngineRecordByUid('Session', 'uid-1'), session);
      t.is(await store.findEngineRecord('RefreshToken', plain.key), undefined);
      t.is(await store.findEngineRecord(plain.model, plain.key.toLowerCase()), undefined);
      t.is(await store.findEngineRecordByUid('Interaction', 'uid-1'), undefined);

      const changed = { ...plain, payload: '{}', expiresAt: plain.expiresAt + 1_000 };
      await commit(store, put(changed));
      t.deepEqual(await store.findEngineRecord(plain.model, plain.key), changed);
      await commit(store, { kind: 'engine-destroy', model: plain.model, key: plain.key });
      t.is(await store.findEngineRecord(plain.model, plain.key), undefined);
      t.is(await commit(store, { kind: 'engine-destroy', model: plain.model, key: plain.key }), 'committed');
    },
  );

  serial('I1: of racing uses of an engine record, in two processes, exactly one succeeds', async t => {
    const database = await subject.newDatabase(t);
    const stores = [await openStore(t, database), await openStore(t, database)] as const;
    for (let round = 0; round < ROUNDS; round += 1) {
      const record = engineRecord();
      await commit(stores[0], put(record));
      const outcomes = await Promise.all(
        Array.from({ length: RACERS }, (_, racer) =>
          commit(stores[racer % 2 === 0 ? 0 : 1], consume(record)),
        ),
      );
      t.is(outcomes.filter(outcome => outcome === 'committed').length, 1);
      t.is(outcomes.filter(outcome => outcome === 'already-used').length, RACERS - 1);
      t.is(typeof (await stores[1].findEngineRecord(record.model, record.key))?.consumedAt, 'number');
    }
  });

  serial('a used engine record stays used when it is put again', async t => {
    const store = await openStore(t, await subject.newDatabase(t));
    const record = engineRecord();
    await commit(store, put(record));
    await commit(store, consume(record, 1_000));
    await commit(store, put({ ...record, payload: '{"later":true}' }));
    t.like(await store.findEngineRecord(record.model, record.key), {
      payload: '{"later":true}',
      consumedAt: 1_000,
    });
    t.is(await commit(store, consume(record)), 'already-used');
  });

  serial(
    'an engine record that is gone or has expired cannot be used, and its unit does nothing',
    async t => {
      const store = await openStore(t, await subject.newDatabase(t));
      const other = engineRecord();
      t.is(await commit(store, put(other), consume(engineRecord())), 'already-used');
      t.is(await store.findEngineRecord(other.model, other.key), undefined);
      const record = engineRecord();
      await commit(store, put(record));
      t.is(await commit(store, consume(record, record.expiresAt)), 'already-used');
      t.is(await commit(store, consume(record, record.expiresAt - 1)), 'committed');
    },
  );

  serial('revoking a grant deletes what belongs to it, of one model, and nothing else', async t => {
    const store = await openStore(t, await subject.newDatabase(t));
    const mine = [engineRecord({ grantId: 'g' }), engineRecord({ grantId: 'g' })];
    const others = [
      engineRecord({ grantId: 'G' }),
      engineRecord(),
      engineRecord({ grantId: 'g', model: 'RefreshToken' }),
    ];
    await commit(store, ...[...mine, ...others].map(put));
    await commit(store, { kind: 'engine-revoke-grant', model: 'AuthorizationCode', grantId: 'g' });
    for (const { model, key } of mine) t.is(await store.findEngineRecord(model, key), undefined);
    for (const other of others) t.deepEqual(await store.findEngineRecord(other.model, other.key), other);
  });
}
