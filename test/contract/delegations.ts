/** One active delegation for each person, agent and resource server, and no end that is undone: whichever processes write at once. */
import test, { type ExecutionContext } from 'ava';
import type { Delegation, DelegationChange } from '../../src/delegation/index.ts';
import { delegationHandle } from '../../src/delegation/index.ts';
import { findDeadHandle } from '../../src/liveness.ts';
import type { Store } from '../../src/store/store.ts';
import { delegationRecord, event, SET_UP } from './records.ts';
import { type ContractSubject, openStore } from './store-contract.ts';

const insert = (record: Delegation): DelegationChange => ({
  kind: 'insert',
  collection: 'delegation',
  record,
});

/** The next version of a record, at the epoch of the one before where nothing else is said. */
const replace = (before: Delegation, changes: Partial<Delegation>): DelegationChange => ({
  kind: 'replace',
  collection: 'delegation',
  record: { ...before, version: before.version + 1, ...changes },
  ifVersion: before.version,
});

const commit = (store: Store, change: DelegationChange) =>
  store.commit({
    changes: [change],
    events: [event({ type: 'delegation.given', target: change.record.id })],
    authority: SET_UP,
  });

const TAKEN = { committed: false, conflict: 'already-exists' } as const;
const CHANGED = { committed: false, conflict: 'version-changed' } as const;
const DONE = { committed: true } as const;
const ALL_TOGETHER = 8;

export function testDelegations(subject: ContractSubject): void {
  const serial = (title: string, body: (t: ExecutionContext) => Promise<void>): void =>
    test.serial(`${subject.name}: ${title}`, body);

  async function twoStores(t: ExecutionContext): Promise<readonly [Store, Store]> {
    const database = await subject.newDatabase(t);
    return [await openStore(t, database), await openStore(t, database)];
  }

  serial('a delegation comes back as it was put in, and is found by whose, whom and where it is', async t => {
    const [store, other] = await twoStores(t);
    const record = delegationRecord({ scopes: ['a$b', 'c.d'], mayActNext: ['agt_2'] });
    t.is(await other.findActiveDelegation(record), undefined);
    t.deepEqual(await commit(store, insert(record)), DONE);
    await other.fresh();
    for (const each of [store, other]) {
      t.deepEqual(await each.findDelegation(record.id), record);
      t.deepEqual(await each.findActiveDelegation(record), record);
      t.is(await each.findActiveDelegation({ ...record, agentId: 'agt_2' }), undefined);
    }
  });

  serial(
    'of one person, agent and resource server there is one active delegation, and any of others',
    async t => {
      const [store, other] = await twoStores(t);
      const record = delegationRecord();
      const { id: _, ...same } = record;
      t.deepEqual(await commit(store, insert(record)), DONE);
      t.deepEqual(await commit(other, insert(delegationRecord({ ...same }))), TAKEN);
      for (const apart of [{ personId: 'usr_2' }, { agentId: 'agt_2' }, { resourceId: 'res_2' }] as const) {
        t.deepEqual(await commit(other, insert(delegationRecord({ ...same, ...apart }))), DONE);
      }
      t.deepEqual(await commit(other, replace(record, { status: 'ended', epoch: 1 })), DONE);
      await store.fresh();
      t.is(await store.findActiveDelegation(record), undefined, 'what has ended is not found as active');
      t.is((await store.findDelegation(record.id))?.status, 'ended');
      const next = delegationRecord({ ...same });
      t.deepEqual(await commit(store, insert(next)), DONE);
      await other.fresh();
      t.deepEqual(await other.findActiveDelegation(record), next);
      const back = replace({ ...record, version: 2 }, { status: 'active', epoch: 1 });
      t.false((await commit(other, back)).committed, 'one that has ended does not come back beside another');
      await store.fresh();
      t.is((await store.findDelegation(record.id))?.status, 'ended');
      t.deepEqual(await store.findActiveDelegation(record), next);
    },
  );

  serial('of delegations that are given at once, in two processes, one is committed', async t => {
    const stores = await twoStores(t);
    const { id: _, ...same } = delegationRecord();
    const rivals = Array.from({ length: ALL_TOGETHER }, () => delegationRecord({ ...same }));
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
      t.deepEqual(await store.findActiveDelegation(rivals[0] as Delegation), winners[0]);
    }
  });

  serial(
    'a token under a delegation dies in every process with its end, and with a higher epoch, and only then',
    async t => {
      const [store, other] = await twoStores(t);
      const first = delegationRecord();
      await commit(store, insert(first));
      const under = (record: Delegation) => `tok_1:0 ${delegationHandle(record)}`;
      const dead = async (lineage: string) => {
        await other.fresh();
        return [store, other].map(({ epochs }) => findDeadHandle(lineage, epochs) !== undefined);
      };
      t.deepEqual(await dead(under(first)), [false, false]);
      const wider = { ...first, version: 2, scopes: ['read', 'write'] };
      t.deepEqual(await commit(store, replace(first, wider)), DONE);
      t.deepEqual(await dead(under(first)), [false, false], 'as much or more leaves them alive');
      const narrower = { ...wider, version: 3, scopes: ['write'], epoch: 1 };
      t.deepEqual(await commit(store, replace(wider, narrower)), DONE);
      t.deepEqual(await dead(under(first)), [true, true]);
      t.deepEqual(await dead(under(narrower)), [false, false]);
      t.deepEqual(await commit(store, replace(narrower, { status: 'ended', epoch: 2 })), DONE);
      t.deepEqual(await dead(under(narrower)), [true, true]);
    },
  );

  serial(
    'of an end and a replacement at once, in two processes, the second is told that it was not',
    async t => {
      const [store, other] = await twoStores(t);
      for (const [first, second] of [
        [store, other],
        [other, store],
      ] as const) {
        const record = delegationRecord();
        await commit(store, insert(record));
        const given = replace(record, { scopes: ['read', 'write'] });
        const end = replace(record, { status: 'ended', epoch: 1 });
        const [endOutcome, giveOutcome] = await Promise.all([commit(first, end), commit(second, given)]);
        t.deepEqual(
          [endOutcome, giveOutcome].filter(({ committed }) => !committed),
          [CHANGED],
        );
        const latest = await second.fresh().then(() => second.findDelegation(record.id));
        t.is(latest?.status, endOutcome.committed ? 'ended' : 'active');
        t.is(latest?.version, 2);
      }
    },
  );

  serial(
    'delegations are listed by person, agent, resource server and standing, however many there are',
    async t => {
      const [store] = await twoStores(t);
      const personId = 'usr_of_many';
      const made: Delegation[] = [];
      for (let index = 0; index < 25; index += 1) {
        const record = delegationRecord({
          id: `dlg_${String(index).padStart(32, '0')}`,
          personId,
          agentId: `agt_${index % 5}`,
          resourceId: `res_${index}`,
          resource: `https://${index % 2 ? 'odd' : 'even'}.example/mcp`,
          status: index % 3 ? 'active' : 'ended',
        });
        made.push(record);
        await commit(store, insert(record));
      }
      await commit(store, insert(delegationRecord()));
      const all = async (facets: readonly string[], order: 'id' | '-id' = 'id'): Promise<string[]> => {
        const found: Delegation[] = [];
        let after: string | undefined;
        do {
          const page = await store.listDelegations({ limit: 4, facets, order, ...(after && { after }) });
          found.push(...page.items);
          after = page.next;
        } while (after !== undefined);
        return found.map(({ id }) => id);
      };
      const idsOf = (isMeant: (record: Delegation) => boolean) => made.filter(isMeant).map(({ id }) => id);
      t.deepEqual(
        await all([`person ${personId}`]),
        idsOf(() => true),
      );
      t.deepEqual(await all([`person ${personId}`], '-id'), idsOf(() => true).reverse());
      t.deepEqual(
        await all(['agent agt_3', 'status ended']),
        idsOf(({ agentId, status }) => agentId === 'agt_3' && status === 'ended'),
      );
      t.deepEqual(
        await all([`person ${personId}`, 'resource https://odd.example/mcp', 'status active']),
        idsOf(({ resource, status }) => resource.includes('odd') && status === 'active'),
      );
      t.is((await all([])).length, made.length + 1);
    },
  );
}
