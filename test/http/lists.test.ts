/** Lists of the admin API: filters, orders and pages. */
import test from 'ava';
import { ProblemError } from '../../src/client/index.ts';
import { adminClient } from '../support/admin-client.ts';
import { addAgent, addPerson, addResource, getToken, startApp } from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';

const DAY_MS = 86_400_000;

async function gather<Item>(list: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of list) items.push(item);
  return items;
}

onEachStore('agents are found by standing, owner, resource server, name and last use', async (t, env) => {
  let nowMs = Date.now();
  const app = await startApp(t, { env, clock: () => nowMs });
  const [ada, grace] = [await addPerson(app, 'Ada'), await addPerson(app, 'Grace')];
  const [orders, invoices] = [await addResource(app), await addResource(app)];
  const add = (name: string, owner = ada, resource = orders, more = {}) => {
    // Identifiers of one millisecond have no order.
    nowMs += 1;
    return addAgent(app, owner, resource, { name, ...more });
  };
  const refunder = await add('Refunder');
  const REFUSER = await add('REFUSER', grace, invoices);
  const short = await add('Short-lived', ada, invoices, {
    expiresAt: new Date(nowMs + DAY_MS).toISOString(),
  });
  const killed = await add('Killed', grace);
  const api = adminClient(app);
  await api.killAgent({ id: killed.id as `agt_${string}` });
  const ids = async (query: Parameters<typeof api.listAgents>[0]): Promise<string[]> =>
    (await gather(adminClient(app).listAgents({ limit: 2, ...query }))).map(({ id }) => id);

  t.deepEqual(await ids({ ownerId: grace.id }), [REFUSER.id, killed.id]);
  t.deepEqual(await ids({ ownerId: grace.id, sort: '-id' }), [killed.id, REFUSER.id]);
  t.deepEqual(await ids({ resource: invoices.identifier }), [REFUSER.id, short.id]);
  t.deepEqual(await ids({ resource: `${invoices.identifier}/`, ownerId: ada.id }), [short.id]);
  t.deepEqual(await ids({ status: 'suspended' }), [killed.id]);
  t.deepEqual(await ids({ namePrefix: 'rEf' }), [refunder.id, REFUSER.id]);
  t.deepEqual(await ids({ namePrefix: 'ref', ownerId: ada.id, status: 'active' }), [refunder.id]);
  t.deepEqual(await ids({ sort: 'name', ownerId: ada.id }), [refunder.id, short.id]);
  t.deepEqual(await ids({ namePrefix: '%' }), []);
  t.deepEqual(await ids({ ownerId: `usr_${'f'.repeat(32)}` }), []);

  t.true((await ids({ status: 'active' })).includes(short.id));
  t.deepEqual(await ids({ status: 'expired' }), []);
  nowMs += 2 * DAY_MS;
  t.false((await ids({ status: 'active' })).includes(short.id));
  t.deepEqual(await ids({ status: 'expired' }), [short.id]);

  const instant = new Date(nowMs - DAY_MS).toISOString();
  const unused = await ids({ lastUsedBefore: instant, ownerId: ada.id });
  t.deepEqual(unused, [refunder.id, short.id]);
  await getToken(app, refunder, orders);
  t.truthy((await adminClient(app).getAgent({ id: refunder.id as `agt_${string}` })).lastUsedAt);
});

onEachStore('people and resource servers are found by what they are', async (t, env) => {
  const app = await startApp(t, { env });
  const api = adminClient(app);
  const ada = await api.createPerson({
    body: { name: 'Ada', email: 'Ada@Example.org', roles: ['approver'] },
  });
  const bob = await api.createPerson({ body: { name: 'Bob', roles: ['auditor'] } });
  await api.killPerson({ id: bob.id });
  const names = async (query: Parameters<typeof api.listPeople>[0]) =>
    (await gather(api.listPeople(query))).map(({ name }) => name);
  t.deepEqual(await names({ email: 'ada@example.ORG' }), ['Ada']);
  t.deepEqual(await names({ role: 'auditor' }), ['Bob']);
  t.deepEqual(await names({ status: 'disabled' }), ['Bob']);
  t.deepEqual(await names({ role: 'approver', status: 'disabled' }), []);
  t.deepEqual(await names({ namePrefix: 'a' }), ['Ada']);
  await api.updatePerson({ id: ada.id, version: ada.version, body: { email: null, name: 'Zoe' } });
  t.deepEqual(await names({ email: 'ada@example.org' }), []);
  t.deepEqual(await names({ namePrefix: 'z', role: 'approver' }), ['Zoe']);

  const orders = await addResource(app, { name: 'Orders' });
  await addResource(app, { name: 'Invoices' });
  const found = await gather(api.listResources({ identifier: `${orders.identifier}/` }));
  t.deepEqual(
    found.map(({ id }) => id),
    [orders.id],
  );
  const [, ...rest] = await gather(api.listResources({ sort: 'name', status: 'active' }));
  t.deepEqual(
    rest.map(({ name }) => name),
    ['Invoices', 'Orders'],
  );
});

test('what would have to look at everything is refused, and so is a page of another order', async t => {
  const app = await startApp(t);
  const owner = await addPerson(app);
  const resource = await addResource(app);
  for (let n = 0; n < 3; n += 1) await addAgent(app, owner, resource);
  const api = adminClient(app);
  const byName = await api.listAgents({ sort: 'name', limit: 1 });
  const byId = await api.listAgents({ limit: 1 });
  const refused: [string, Parameters<typeof api.listAgents>[0]][] = [
    ['sort', { namePrefix: 'a', sort: 'id' }],
    ['sort', { namePrefix: 'a', sort: 'lastUsed' }],
    ['sort', { lastUsedBefore: '2026-01-01T00:00:00Z', sort: 'name' }],
    ['sort', { lastUsedBefore: '2026-01-01T00:00:00Z', namePrefix: 'a' }],
    ['after', { sort: 'name', after: byId.next }],
    ['after', { after: byName.next }],
    ['lastUsedBefore', { lastUsedBefore: 'yesterday' }],
    ['namePrefix', { namePrefix: '' }],
    ['ownerId', { ownerId: '$ne' as never }],
  ];
  for (const [parameter, query] of refused) {
    const error = await t.throwsAsync(api.listAgents(query), { instanceOf: ProblemError });
    t.is(error?.status, 400, parameter);
    t.is(error?.parameter, parameter, JSON.stringify(query));
  }
});

onEachStore('the trail is read by type, actor, record and time, page by page', async (t, env) => {
  let nowMs = Date.now();
  const app = await startApp(t, { env, clock: () => nowMs });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agents = [];
  for (let n = 0; n < 5; n += 1) agents.push(await addAgent(app, owner, resource));
  const api = adminClient(app);
  const start = nowMs;
  for (const { id } of agents as { id: `agt_${string}`; basic: [string, string] }[]) {
    nowMs += 60_000;
    await api.killAgent({ id });
    await api.restoreAgent({ id });
    for (let n = 0; n < 3; n += 1) await getToken(app, agents[0] as never, resource).catch(() => undefined);
  }
  const whole = (await gather(api.listAuditEvents({ limit: 200 }))).map(({ event }) => event);
  t.deepEqual(whole, (await app.trail()).toReversed());
  const found = async (query: Parameters<typeof api.listAuditEvents>[0]) =>
    (await gather(api.listAuditEvents({ limit: 2, ...query }))).map(({ event }) => event);
  const isDone = (type: string) => (event: { type: string }) => event.type === type;

  t.deepEqual(await found({ type: 'agent.killed' }), whole.filter(isDone('agent.killed')));
  t.deepEqual(await found({ type: 'token.issued' }), whole.filter(isDone('token.issued')));
  const own = agents[1]?.id ?? '';
  t.deepEqual(
    await found({ target: own }),
    whole.filter(({ target }) => target === own),
  );
  t.deepEqual(
    await found({ actor: app.admin.clientId }),
    whole.filter(({ client, type }) => client === app.admin.clientId && type !== 'token.issued'),
  );
  t.deepEqual(
    await found({ actor: app.admin.clientId, type: 'token.issued' }),
    whole.filter(({ client, type }) => client === app.admin.clientId && type === 'token.issued'),
  );
  const [since, before] = [start + 2 * 60_000, start + 4 * 60_000];
  const instants = { since: new Date(since).toISOString(), before: new Date(before).toISOString() };
  const within = whole.filter(({ at }) => at >= since && at < before);
  t.true(within.length > 4);
  t.deepEqual(await found(instants), within);
  t.deepEqual(await found({ ...instants, type: 'agent.killed' }), within.filter(isDone('agent.killed')));
  t.deepEqual(await found({ type: 'key.killed' }), []);
  t.deepEqual(await found({ since: new Date(nowMs + 1_000).toISOString() }), []);

  const kills = await gather(api.listKills({ limit: 3 }));
  t.is(kills.length, 10);
  t.deepEqual(
    kills.map(({ what }) => what),
    Array.from({ length: 5 }, () => ['agent.restored', 'agent.killed'] as const).flat(),
  );
  t.is(kills[0]?.target, agents[4]?.id);
  t.is(kills[0]?.by, app.admin.clientId);
  t.is((await gather(api.listKills({ target: own }))).length, 2);

  const nowhere = api.listAuditEvents({ after: `lane_${'0'.repeat(32)}:1` });
  t.is((await t.throwsAsync(nowhere, { instanceOf: ProblemError }))?.parameter, 'after');
});
