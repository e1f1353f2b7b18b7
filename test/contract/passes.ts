/** What every store must do for what people hold and how they prove themselves, whichever database is behind it. */
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { PassChange, PassOf } from '../../src/people/index.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { credentialRecord, personRecord } from './records.ts';
import { type ContractSubject, openStore } from './store-contract.ts';

const RACERS = 20;
const ROUNDS = 5;

function signInPass(overrides: Partial<PassOf<'sign-in'>> = {}): PassOf<'sign-in'> {
  return {
    kind: 'sign-in',
    key: randomBytes(32).toString('base64url'),
    personId: 'usr_1',
    version: 1,
    createdAt: Date.now(),
    expiresAt: Date.now() + 600_000,
    lineage: 'usr_1:0',
    ...overrides,
  };
}

const issue = (pass: PassOf<'sign-in'>): PassChange => ({ kind: 'issue-pass', pass });
const take = ({ key }: PassOf<'sign-in'>, now = Date.now()): PassChange => ({
  kind: 'take-pass',
  passKind: 'sign-in',
  key,
  now,
});

async function commit(store: Store, ...changes: Change[]): Promise<string> {
  const outcome = await store.commit({ changes, events: [], authority: { none: 'boot' } });
  return outcome.committed ? 'committed' : outcome.conflict;
}

export function testPasses(subject: ContractSubject): void {
  const serial = (title: string, body: (t: ExecutionContext) => Promise<void>): void =>
    test.serial(`${subject.name}: ${title}`, body);

  async function twoStores(t: ExecutionContext): Promise<readonly [Store, Store]> {
    const database = await subject.newDatabase(t);
    return [await openStore(t, database), await openStore(t, database)];
  }

  serial('a pass comes back as it was put in, under its own kind and letter case only', async t => {
    const [store, other] = await twoStores(t);
    const pass = signInPass({ challenge: '{"$set":"é"}' });
    t.is(await commit(store, issue(pass)), 'committed');
    t.deepEqual(await other.findPass('sign-in', pass.key), pass);
    t.is(await other.findPass('session', pass.key), undefined);
    t.is(await other.findPass('sign-in', pass.key.toLowerCase()), undefined);
    t.is(await commit(other, issue({ ...pass, personId: 'usr_2' })), 'already-exists');
    t.deepEqual(await store.findPass('sign-in', pass.key), pass);
  });

  serial('every pass of a person is listed, and ended, however many there are', async t => {
    const [store, other] = await twoStores(t);
    const passes = Array.from({ length: 1_501 }, () => signInPass());
    t.is(await commit(store, ...passes.map(issue)), 'committed');
    const listed = await other.listPasses('sign-in', 'usr_1');
    t.deepEqual(listed.map(({ key }) => key).toSorted(), passes.map(({ key }) => key).toSorted());
    t.is(await commit(other, { kind: 'end-passes', passKind: 'sign-in', personId: 'usr_1' }), 'committed');
    t.deepEqual(await store.listPasses('sign-in', 'usr_1'), []);
  });

  serial('I1: of racing uses of a pass, in two processes, exactly one succeeds', async t => {
    const stores = await twoStores(t);
    for (let round = 0; round < ROUNDS; round += 1) {
      const pass = signInPass();
      const made = Array.from({ length: RACERS }, () => signInPass());
      await commit(stores[0], issue(pass));
      const outcomes = await Promise.all(
        made.map((next, racer) => commit(stores[racer % 2 === 0 ? 0 : 1], take(pass), issue(next))),
      );
      t.is(outcomes.filter(outcome => outcome === 'committed').length, 1);
      t.is(outcomes.filter(outcome => outcome === 'already-used').length, RACERS - 1);
      const found = await Promise.all(made.map(next => stores[1].findPass('sign-in', next.key)));
      t.is(found.filter(next => next !== undefined).length, 1, 'who lost has made nothing');
    }
  });

  serial('a pass that is gone or has expired cannot be used, and its unit does nothing', async t => {
    const [store] = await twoStores(t);
    const other = signInPass();
    t.is(await commit(store, issue(other), take(signInPass())), 'already-used');
    t.is(await store.findPass('sign-in', other.key), undefined);
    const pass = signInPass();
    await commit(store, issue(pass));
    t.is(await commit(store, take(pass, pass.expiresAt)), 'already-used');
    t.is(await commit(store, take(pass, pass.expiresAt - 1)), 'committed');
    t.is(await store.findPass('sign-in', pass.key), undefined);
  });

  serial('I6: a pass that has ended stays ended when it is renewed', async t => {
    const [store, other] = await twoStores(t);
    const pass = signInPass();
    await commit(store, issue(pass));
    const second = { ...pass, version: 2, challenge: 'a' };
    t.is(await commit(other, { kind: 'renew-pass', pass: second, ifVersion: 1 }), 'committed');
    t.is(await commit(store, { kind: 'renew-pass', pass: second, ifVersion: 1 }), 'version-changed');
    t.deepEqual(await store.findPass('sign-in', pass.key), second);
    await commit(store, take(pass));
    const third = { ...second, version: 3 };
    t.is(await commit(other, { kind: 'renew-pass', pass: third, ifVersion: 2 }), 'version-changed');
    t.is(await other.findPass('sign-in', pass.key), undefined);
  });

  serial('the passes of a person are listed newest first, and ended but for one', async t => {
    const [store, other] = await twoStores(t);
    const mine = [1, 2, 3].map(createdAt => signInPass({ createdAt, personId: 'usr_a' }));
    const foreign = signInPass({ personId: 'usr_A' });
    await commit(store, ...[...mine, foreign].map(issue));
    t.deepEqual(await other.listPasses('sign-in', 'usr_a'), mine.toReversed());
    t.deepEqual(await other.listPasses('session', 'usr_a'), []);
    const except = mine[1]?.key ?? '';
    await commit(store, { kind: 'end-passes', passKind: 'sign-in', personId: 'usr_a', except });
    t.deepEqual(await other.listPasses('sign-in', 'usr_a'), mine.slice(1, 2));
    await commit(store, { kind: 'end-passes', passKind: 'sign-in', personId: 'usr_a' });
    t.deepEqual(await other.listPasses('sign-in', 'usr_a'), []);
    t.deepEqual(await other.findPass('sign-in', foreign.key), foreign);
  });

  serial('design 9: a restore voids every pass', async t => {
    const [store] = await twoStores(t);
    const pass = signInPass();
    await commit(store, issue(pass));
    await commit(store, { kind: 'void-pending' });
    t.is(await store.findPass('sign-in', pass.key), undefined);
  });

  serial('I1: of racing changes of a credential, in two processes, exactly one succeeds', async t => {
    const stores = await twoStores(t);
    const first = credentialRecord('usr_1');
    const insert = { kind: 'insert', collection: 'person-credential', record: first } as const;
    t.is(await commit(stores[0], insert), 'committed');
    t.is(await commit(stores[1], insert), 'already-exists', 'a person has one');
    t.deepEqual(await stores[1].findCredential('usr_1'), first);
    t.is(await stores[1].findCredential('usr_2'), undefined);
    for (let version = 1; version <= ROUNDS; version += 1) {
      const record = { ...first, version: version + 1, epoch: version };
      const outcomes = await Promise.all(
        Array.from({ length: RACERS }, (_, racer) =>
          commit(stores[racer % 2 === 0 ? 0 : 1], {
            kind: 'replace',
            collection: 'person-credential',
            record,
            ifVersion: version,
          }),
        ),
      );
      t.is(outcomes.filter(outcome => outcome === 'committed').length, 1);
      for (const store of stores) {
        await store.fresh();
        t.deepEqual(await store.findCredential('usr_1'), record);
        t.is(store.epochs.raisedTo(first.id), version, 'every process knows what was cut off');
      }
    }
  });

  serial('a person is found by their address in any letter case, and no longer by an old one', async t => {
    const [store, other] = await twoStores(t);
    const person = personRecord({ email: 'Ada@Example.org' });
    await commit(store, { kind: 'insert', collection: 'person', record: person });
    t.deepEqual(await other.findPersonByEmail('ADA@example.ORG'), person);
    t.is(await other.findPersonByEmail('grace@example.org'), undefined);
    const moved = { ...person, version: 2, email: 'grace@example.org' };
    await commit(store, { kind: 'replace', collection: 'person', record: moved, ifVersion: 1 });
    await other.fresh();
    t.is(await other.findPersonByEmail('ada@example.org'), undefined);
    t.deepEqual(await other.findPersonByEmail('grace@example.org'), moved);
  });
}
