/** Delegations in the admin API: found by whose, whom, where and what they are, and ended by who may stop things. */
import { killAgent } from '../../src/agents/index.ts';
import type { Delegation, DelegationChange } from '../../src/delegation/index.ts';
import { delegationRecord } from '../contract/records.ts';
import { adminClient } from '../support/admin-client.ts';
import { type App, addAgent, addPerson, addResource, startApp, startAppIn } from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';

async function put(app: App, record: Delegation): Promise<Delegation> {
  const given: DelegationChange = { kind: 'insert', collection: 'delegation', record };
  await app.store.commit({ changes: [given], events: [], authority: { none: 'boot' } });
  return record;
}

async function gather<Item>(list: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of list) items.push(item);
  return items;
}

onEachStore(
  'delegations are listed by person, agent, resource server and what they are now, whole however short the pages',
  async (t, env) => {
    let now = Date.now();
    const app = await startApp(t, { env, clock: () => now });
    const api = adminClient(app);
    const [ada, bob] = [await addPerson(app, 'Ada'), await addPerson(app, 'Bob')];
    const [orders, invoices] = [await addResource(app), await addResource(app)];
    const [planner, worker] = [await addAgent(app, ada, orders), await addAgent(app, bob, invoices)];
    const give = (index: number, person = ada, agent = planner, resource = orders, more: object = {}) =>
      put(
        app,
        delegationRecord({
          id: `dlg_${String(index).padStart(32, '0')}`,
          personId: person.id,
          agentId: agent.id as `agt_${string}`,
          resourceId: resource.id,
          resource: resource.identifier,
          expiresAt: now + 3_600_000,
          ...more,
        }),
      );
    const first = await give(1);
    const ended = await give(2, ada, planner, invoices, { status: 'ended', epoch: 1, version: 2 });
    const short = await give(3, bob, planner, orders, { expiresAt: now + 1_000 });
    const workers = await give(4, bob, worker, invoices, { mayActNext: [planner.id] });
    const ids = async (query: Parameters<typeof api.listDelegations>[0]) =>
      (await gather(api.listDelegations({ limit: 1, ...query }))).map(({ id }) => id);

    t.deepEqual(await ids({}), [first.id, ended.id, short.id, workers.id]);
    t.deepEqual(await ids({ sort: '-id' }), [workers.id, short.id, ended.id, first.id]);
    t.deepEqual(await ids({ personId: ada.id }), [first.id, ended.id]);
    t.deepEqual(await ids({ agentId: planner.id as `agt_${string}`, personId: bob.id }), [short.id]);
    t.deepEqual(await ids({ resource: `${invoices.identifier}/` }), [ended.id, workers.id]);
    t.deepEqual(await ids({ status: 'active' }), [first.id, short.id, workers.id]);
    t.deepEqual(await ids({ status: 'ended' }), [ended.id]);
    t.deepEqual(await ids({ status: 'expired' }), []);
    now += 1_000;
    t.deepEqual(await ids({ status: 'expired' }), [short.id]);
    t.deepEqual(await ids({ status: 'active', personId: bob.id }), [workers.id]);
    await killAgent({ agents: app.store, freshness: app.store }, worker.id, app.origin());
    t.deepEqual(await ids({ status: 'suspended' }), [workers.id]);
    t.deepEqual(await api.getDelegation({ id: workers.id }), {
      id: workers.id,
      personId: bob.id,
      agentId: worker.id,
      resource: invoices.identifier,
      scopes: ['read'],
      expiresAt: new Date(workers.expiresAt).toISOString(),
      mayActNext: [planner.id],
      status: 'suspended',
      version: 1,
      createdAt: new Date(workers.createdAt).toISOString(),
      updatedAt: new Date(workers.updatedAt).toISOString(),
    });
    await t.throwsAsync(gather(api.listDelegations({ namePrefix: 'a' } as object)), {
      message: /namePrefix/,
    });
  },
);

onEachStore(
  'whoever may stop things ends a delegation for good, heard by every process, and nobody with less does',
  async (t, env) => {
    const app = await startApp(t, { env });
    const other = await startAppIn(app.directory, { env: { ...env, COUNTERSIGN_ISSUER: app.issuer } });
    t.teardown(() => other.stop());
    const [ada, resource] = [await addPerson(app), await addResource(app)];
    const agent = await addAgent(app, ada, resource);
    const record = await put(
      app,
      delegationRecord({
        personId: ada.id,
        agentId: agent.id as `agt_${string}`,
        resourceId: resource.id,
        resource: resource.identifier,
      }),
    );
    const call = async (scope: string, headers: Record<string, string> = {}) => {
      const form = { grant_type: 'client_credentials', scope };
      const token = await app.post('/token', form, { basic: [app.admin.clientId, app.admin.secret] });
      return fetch(`${app.base}/api/v1/delegations/${record.id}/end`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token.json.access_token}`, ...headers },
      });
    };
    for (const scope of ['read', 'agents', 'people', 'keys', 'audit']) {
      t.is((await call(scope)).status, 403, scope);
    }
    t.is((await call('kill', { 'If-Match': '"7"' })).status, 412);
    await other.store.fresh();
    t.is(other.store.epochs.raisedTo(record.id), 0, 'nothing was ended by what was refused');
    const answer = await call('kill', { 'If-Match': '"1"' });
    t.is(answer.status, 200);
    t.is(answer.headers.get('etag'), '"2"');
    t.like(await answer.json(), { id: record.id, status: 'ended', version: 2 });
    await other.store.fresh();
    t.is(other.store.epochs.raisedTo(record.id), 1);
    t.is((await other.store.findDelegation(record.id))?.status, 'ended');
    t.is(await other.store.findActiveDelegation(record), undefined);
    t.is((await call('kill')).headers.get('etag'), '"2"', 'to end it again changes nothing');
    const ends = (await app.trail()).filter(({ type }) => type === 'delegation.ended');
    t.is(ends.length, 1);
    t.like(ends[0], { target: record.id, client: app.admin.clientId, detail: { person: ada.id, epoch: 1 } });
  },
);
