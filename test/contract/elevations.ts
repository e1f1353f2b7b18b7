/**
 * One identical request that waits at a time, one conditional write for each step, and a decision only on the records that were shown:
 * whichever processes write at once.
 */
import test, { type ExecutionContext } from 'ava';
import type { ExpectVersion } from '../../src/audit/index.ts';
import { type Elevation, type ElevationChange, moveElevation } from '../../src/elevation/index.ts';
import { findDeadHandle, type Lineage } from '../../src/liveness.ts';
import type { Change, Store } from '../../src/store/store.ts';
import {
  agentRecord,
  delegationRecord,
  elevationRecord,
  event,
  insertToken,
  personRecord,
  resourceRecord,
  SET_UP,
  tokenRecord,
} from './records.ts';
import { type ContractSubject, openStore } from './store-contract.ts';

const insert = (record: Elevation): ElevationChange => ({ kind: 'insert', collection: 'elevation', record });
const replace = (before: Elevation, record: Elevation): ElevationChange => ({
  kind: 'replace',
  collection: 'elevation',
  record,
  ifVersion: before.version,
});

const commit = (store: Store, ...changes: readonly Change[]) =>
  store.commit({ changes, events: [event({ type: 'elevation.asked' })], authority: SET_UP });

const TAKEN = { committed: false, conflict: 'already-exists' } as const;
const CHANGED = { committed: false, conflict: 'version-changed' } as const;
const DONE = { committed: true } as const;
const ALL_TOGETHER = 8;

/** Steps as the engine makes them, with nothing cut off and all the time there is. */
const world = (store: Store) => ({ now: Date.now(), latest: Date.now(), epochs: store.epochs });
function step(store: Store, before: Elevation, made: Parameters<typeof moveElevation>[1]): Elevation {
  const after = moveElevation(before, made, world(store));
  if (typeof after === 'string') throw new Error(after);
  return after;
}
const approve = (store: Store, before: Elevation) =>
  step(store, before, {
    kind: 'approve',
    by: 'usr_1',
    digest: 'd',
    shownNow: 'd',
    expiresAt: Date.now() + 300_000,
  });
const deny = (store: Store, before: Elevation) =>
  step(store, before, { kind: 'deny', by: 'usr_1', reason: 'too-much' });

export function testElevations(subject: ContractSubject): void {
  const serial = (title: string, body: (t: ExecutionContext) => Promise<void>): void =>
    test.serial(`${subject.name}: ${title}`, body);

  async function twoStores(t: ExecutionContext): Promise<readonly [Store, Store]> {
    const database = await subject.newDatabase(t);
    return [await openStore(t, database), await openStore(t, database)];
  }

  serial(
    'an elevation comes back as it was put in, and is found by what is asked while it waits',
    async t => {
      const [store, other] = await twoStores(t);
      const record = elevationRecord({ scopes: ['a$b', 'c.d'], reason: '$where {"a":1}' });
      t.is(await other.findPendingElevation(record.askDigest), undefined);
      t.deepEqual(await commit(store, insert(record)), DONE);
      await other.fresh();
      for (const each of [store, other]) {
        t.deepEqual(await each.findElevation(record.id), record);
        t.deepEqual(await each.findPendingElevation(record.askDigest), record);
      }
      const approved = approve(store, record);
      t.deepEqual(await commit(other, replace(record, approved)), DONE);
      await store.fresh();
      for (const each of [store, other]) {
        t.deepEqual(await each.findElevation(record.id), approved);
        t.is(await each.findPendingElevation(record.askDigest), undefined, 'it waits no longer');
      }
    },
  );

  serial('of identical requests that are made at once, in two processes, one waits', async t => {
    const stores = await twoStores(t);
    const rivals = Array.from({ length: ALL_TOGETHER }, () => elevationRecord({ askDigest: 'the same' }));
    const outcomes = await Promise.all(
      rivals.map((record, index) => commit(stores[index % 2] as Store, insert(record))),
    );
    const winners = rivals.filter((_record, index) => outcomes[index]?.committed);
    t.is(winners.length, 1);
    t.deepEqual(
      outcomes.filter(({ committed }) => !committed),
      Array.from({ length: ALL_TOGETHER - 1 }, () => TAKEN),
    );
    for (const store of stores) {
      await store.fresh();
      t.deepEqual(await store.findPendingElevation('the same'), winners[0]);
    }
  });

  serial(
    'a request takes the place of one that is over in the unit that says so, and of no other',
    async t => {
      const [store, other] = await twoStores(t);
      const first = elevationRecord({ askDigest: 'the same' });
      await commit(store, insert(first));
      const next = elevationRecord({ askDigest: 'the same' });
      t.deepEqual(await commit(other, insert(next)), TAKEN);
      const closed = step(store, first, { kind: 'cancel', reason: 'authority-ended' });
      t.deepEqual(await commit(other, replace(first, closed), insert(next)), DONE);
      await store.fresh();
      t.deepEqual(await store.findPendingElevation('the same'), next);
      t.is((await store.findElevation(first.id))?.status, 'cancelled');
      const late = elevationRecord({ askDigest: 'the same' });
      t.deepEqual(await commit(store, replace(first, closed), insert(late)), CHANGED);
      t.is(await store.findElevation(late.id), undefined, 'nothing of the unit was done');
    },
  );

  serial('of an approval, a denial and a withdrawal at once, in two processes, one is made', async t => {
    const stores = await twoStores(t);
    const [store] = stores;
    for (let round = 0; round < 4; round += 1) {
      const record = elevationRecord();
      await commit(store, insert(record));
      const ends = [
        approve(store, record),
        deny(store, record),
        step(store, record, { kind: 'cancel', reason: 'by-agent' }),
      ];
      const outcomes = await Promise.all(
        ends.map((end, index) => commit(stores[(index + round) % 2] as Store, replace(record, end))),
      );
      t.deepEqual(
        outcomes.filter(({ committed }) => !committed),
        [CHANGED, CHANGED],
      );
      const won = ends[outcomes.findIndex(({ committed }) => committed)];
      for (const each of stores) {
        await each.fresh();
        t.deepEqual(await each.findElevation(record.id), won);
      }
    }
  });

  serial('of redemptions at once, in two processes, one inserts its token', async t => {
    const stores = await twoStores(t);
    const [store] = stores;
    const record = elevationRecord();
    await commit(store, insert(record));
    const approved = approve(store, record);
    await commit(store, replace(record, approved));
    const tokens = Array.from({ length: ALL_TOGETHER }, () => tokenRecord());
    const outcomes = await Promise.all(
      tokens.map((token, index) => {
        const each = stores[index % 2] as Store;
        const redeemed = step(each, approved, { kind: 'redeem', shownNow: 'd', jti: token.jti });
        return each.commit({
          changes: [replace(approved, redeemed), insertToken(token)],
          events: [event({ type: 'elevation.redeemed' })],
          authority: { lineage: record.lineage, expiresAt: Date.now() + 300_000, own: ['agt_1'] },
        });
      }),
    );
    const winner = tokens[outcomes.findIndex(({ committed }) => committed)];
    t.deepEqual(
      outcomes.filter(({ committed }) => !committed),
      Array.from({ length: ALL_TOGETHER - 1 }, () => CHANGED),
    );
    for (const token of tokens) {
      t.is((await store.findToken(token.jti)) !== undefined, token === winner, 'no token without its step');
    }
    await store.fresh();
    t.is((await store.findElevation(record.id))?.redeemed?.jti, winner?.jti);
  });

  serial(
    'a denial that commits beside a redemption kills the token, in both processes and orders',
    async t => {
      const stores = await twoStores(t);
      for (const [first, second] of [stores, [...stores].reverse()] as readonly (readonly Store[])[]) {
        if (!first || !second) throw new Error('there are two');
        const record = elevationRecord();
        await commit(first, insert(record));
        const approved = approve(first, record);
        await commit(first, replace(record, approved));
        await second.fresh();
        const denied = deny(first, approved);
        const redeemed = step(second, approved, { kind: 'redeem', shownNow: 'd', jti: 'tok_1' });
        const [denial, redemption] = await Promise.all([
          commit(first, replace(approved, denied)),
          commit(second, replace(approved, redeemed)),
        ]);
        t.is(Number(denial.committed) + Number(redemption.committed), 1);
        // It is tried again, on what is there then.
        if (!denial.committed)
          t.deepEqual(await commit(first, replace(redeemed, deny(first, redeemed))), DONE);
        for (const each of stores) {
          await each.fresh();
          t.not(
            findDeadHandle(record.lineage as Lineage, each.epochs),
            undefined,
            'whatever carries it is dead',
          );
          t.is((await each.findElevation(record.id))?.status, 'revoked');
        }
      }
    },
  );

  serial(
    'a unit that expects a version is committed while the record is at it, and changes nothing of it',
    async t => {
      const [store, other] = await twoStores(t);
      const records = {
        agent: agentRecord(),
        person: personRecord(),
        resource: resourceRecord(),
        delegation: delegationRecord(),
      };
      for (const [collection, record] of Object.entries(records)) {
        await commit(store, { kind: 'insert', collection, record } as Change);
      }
      await other.fresh();
      for (const [name, record] of Object.entries(records)) {
        const collection = name as ExpectVersion['collection'];
        const expect = (version: number, id: string = record.id): ExpectVersion => ({
          kind: 'expect-version',
          collection,
          id,
          version,
        });
        const decided = elevationRecord();
        t.deepEqual(await commit(other, expect(1), insert(decided)), DONE, collection);
        t.deepEqual(await commit(other, expect(1), insert(elevationRecord())), DONE, 'it is no change of it');
        for (const wrong of [expect(2), expect(0), expect(1, `${record.id}0`)]) {
          const late = elevationRecord();
          t.deepEqual(await commit(other, wrong, insert(late)), CHANGED, collection);
          t.is(await other.findElevation(late.id), undefined);
        }
        const changed = { ...record, version: 2 };
        const change = { kind: 'replace', collection, record: changed, ifVersion: 1 } as Change;
        t.deepEqual(await commit(store, change), DONE, 'it can be changed after that as before');
        t.deepEqual(
          await commit(other, expect(1), insert(elevationRecord())),
          CHANGED,
          'from the other process too',
        );
        t.deepEqual(await commit(other, expect(2), insert(elevationRecord())), DONE);
      }
    },
  );

  serial(
    'of a change of a record and units that expect it unchanged, at once, none comes after the change',
    async t => {
      const database = await subject.newDatabase(t);
      const stores = [await openStore(t, database), await openStore(t, database)] as const;
      const [store] = stores;
      const committed = await subject.watchCommits(t, database);
      for (let round = 0; round < 6; round += 1) {
        const agent = agentRecord();
        await commit(store, { kind: 'insert', collection: 'agent', record: agent });
        const changed = { ...agent, version: 2 };
        const decisions = Array.from({ length: 4 }, () => elevationRecord());
        const decide = (record: Elevation, index: number) =>
          (stores[index % 2] as Store).commit({
            changes: [
              { kind: 'expect-version', collection: 'agent', id: agent.id, version: 1 },
              insert(record),
            ],
            events: [event({ type: 'elevation.approved', target: record.id })],
            authority: SET_UP,
          });
        const early = decisions.slice(0, 2).map(decide);
        const change = store.commit({
          changes: [{ kind: 'replace', collection: 'agent', record: changed, ifVersion: 1 }],
          events: [event({ type: 'agent.updated', target: agent.id })],
          authority: SET_UP,
        });
        const outcomes = await Promise.all([...early, ...decisions.slice(2).map(decide)]);
        t.deepEqual(await change, DONE);
        for (const outcome of outcomes) t.true(outcome.committed || outcome.conflict === 'version-changed');
        const done = decisions.filter((_record, index) => outcomes[index]?.committed).map(({ id }) => id);
        const order = await committed([...done, agent.id]);
        for (const id of done) t.true(order.indexOf(id) < order.indexOf(agent.id), 'before the change');
      }
    },
  );

  serial('elevations are listed by whose they are to decide, and by what is still open', async t => {
    const [store] = await twoStores(t);
    const statuses = ['pending', 'approved', 'redeemed', 'denied', 'expired'] as const;
    const made: Elevation[] = [];
    for (let index = 0; index < 20; index += 1) {
      const record = elevationRecord({
        id: `elv_${String(index).padStart(32, '0')}`,
        askDigest: `ask ${index}`,
        approverId: `usr_${index % 2}`,
        status: statuses[index % statuses.length] ?? 'pending',
        ...(index % 4 === 2 && { endedAt: 1 }),
      });
      made.push(record);
      await commit(store, insert(record));
    }
    const all = async (...facets: readonly string[]): Promise<readonly string[]> => {
      const found: string[] = [];
      let after: string | undefined;
      do {
        const page = await store.listElevations({ limit: 3, facets, ...(after && { after }) });
        found.push(...page.items.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      return found;
    };
    const idsOf = (isMeant: (record: Elevation) => boolean) => made.filter(isMeant).map(({ id }) => id);
    t.deepEqual(
      await all('approver usr_1', 'status pending'),
      idsOf(({ approverId, status }) => approverId === 'usr_1' && status === 'pending'),
    );
    t.deepEqual(
      await all('open'),
      idsOf(
        ({ status, endedAt }) =>
          status === 'pending' || status === 'approved' || (status === 'redeemed' && endedAt === undefined),
      ),
    );
  });
}
