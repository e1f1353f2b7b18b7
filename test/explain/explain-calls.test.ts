import { killAgent, updateAgent } from '../../src/agents/index.ts';
import { type DelegationChange, delegationHandle, endOwnDelegation } from '../../src/delegation/index.ts';
import { killPerson } from '../../src/people/index.ts';
import { delegationRecord, insertToken, tokenRecord } from '../contract/records.ts';
import { startExchangeWorld, subjectOf } from '../delegation/exchange-world.ts';
import { startWireWorld } from '../elevation/wire-world.ts';
import { adminClient } from '../support/admin-client.ts';
import { type App, addAgent, addPerson, addResource, getToken, startApp } from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';

async function newWorld(app: App) {
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const agentId = agent.id as `agt_${string}`;
  return { owner, resource, agent, agentId, client: adminClient(app, ['read']) };
}

const depsOf = ({ store }: App) => ({ agents: store, people: store, resources: store, freshness: store });

whateverTheStore(
  'an agent is explained scope by scope, with its owner, its end and its limits',
  async (t, env) => {
    const app = await startApp(t, { env });
    const { owner, resource, agent, agentId, client } = await newWorld(app);
    const explained = await client.explainAgent({ id: agentId });
    t.like(explained, {
      agent: { id: agent.id },
      status: 'active',
      owner: { id: owner.id, status: 'active' },
    });
    const [at] = explained.resources;
    t.is(at?.resource, resource.identifier);
    t.deepEqual(
      at?.scopes.map(({ scope, meaning, outcome }) => [scope, meaning, outcome]),
      [
        ['read', 'Read orders', 'issue'],
        ['write', 'Change orders', 'needs-approval'],
        ['delete', 'Delete orders', 'refuse'],
      ],
    );
    t.like(at?.withoutScope, { outcome: 'issue', scopes: ['read'], expiresIn: 300, limitedBy: 'deployment' });
    t.true(
      explained.because.includes(
        `At ${resource.identifier} it gets by itself read; needs somebody to countersign for write; never gets delete.`,
      ),
      explained.because.join('\n'),
    );
    await killAgent(depsOf(app), agent.id, app.origin());
    const killed = await client.explainAgent({ id: agentId });
    t.is(killed.status, 'suspended');
    t.regex(killed.because[0] ?? '', /^It is suspended/);
    t.true(killed.resources[0]?.scopes.every(({ outcome }) => outcome === 'refuse'));
    await t.throwsAsync(client.explainAgent({ id: `agt_${'9'.repeat(32)}` }), { message: /no such agent/ });
  },
);

whateverTheStore(
  'a dry run says what the request comes to, word for word, and changes nothing',
  async (t, env) => {
    const app = await startApp(t, { env });
    const { resource, agent, agentId, client } = await newWorld(app);
    const other = await addResource(app);
    await client.getCaller();
    for (const [scope, resources] of [
      ['read', [resource.identifier]],
      ['write', [resource.identifier]],
      ['read write', [resource.identifier]],
      ['delete', [resource.identifier]],
      ['unheard-of', [resource.identifier]],
      ['read  write', [resource.identifier]],
      [undefined, [resource.identifier]],
      ['read', []],
      ['read', [other.identifier]],
      ['read', ['https://unknown.example']],
    ] as const) {
      const [asked] = resources;
      const rows = (await app.trail()).length;
      const before = await app.store.listTokens(agent.id, 100);
      const dry = await client.explainRequest({
        id: agentId,
        body: { ...(scope && { scope }), ...(asked && { resource: asked }) },
      });
      t.deepEqual(await app.store.listTokens(agent.id, 100), before);
      t.is((await app.trail()).length, rows);
      const form = { grant_type: 'client_credentials', scope, resource: asked };
      const real = await app.post('/token', form, { basic: agent.basic });
      if (dry.outcome === 'issue') {
        t.is(real.status, 200);
        t.deepEqual([real.json.scope, real.json.expires_in], [dry.scopes?.join(' '), dry.expiresIn]);
      } else {
        t.is(real.status, 400, dry.why);
        const reason = (await app.trail()).at(-1)?.reason;
        t.is(reason === 'needs-approval' ? 'scope-needs-approval' : reason, dry.reason, dry.why);
        if (dry.sent) t.true(real.json.error_description.includes(dry.sent), real.json.error_description);
      }
    }
  },
);

whateverTheStore(
  'a token is explained by value and by identifier: alive, revoked, expired, cut off and by whom',
  async (t, env) => {
    let now = Date.now();
    const app = await startApp(t, { env, clock: () => now });
    const { owner, resource, agent, agentId, client } = await newWorld(app);
    const value = await getToken(app, agent, resource);
    const alive = await client.explainToken({ body: { token: value } });
    t.like(alive, { state: 'live', clientId: agent.id, resource: resource.identifier, scope: 'read' });
    t.deepEqual(
      alive.ancestors.map(({ kind, name }) => [kind, name]),
      [
        ['token', undefined],
        ['agent', 'An agent'],
        ['person', 'Ada Owner'],
        ['resource', resource.name],
        ['deployment', undefined],
      ],
    );
    t.deepEqual(await client.explainToken({ body: { jti: alive.jti } }), alive);
    t.false(JSON.stringify(alive).includes(value));

    await app.post('/revoke', { token: value }, { basic: agent.basic });
    const revoked = await client.explainToken({ body: { token: value } });
    t.like(revoked, { state: 'dead', cutOffBy: { type: 'token.revoked', client: agent.id } });
    t.regex(revoked.why, /^it was revoked, by agt_/);

    const second = await getToken(app, agent, resource);
    const third = await getToken(app, agent, resource);
    const admin = adminClient(app, ['kill']);
    await admin.killAgent({ id: agentId });
    const killed = await client.explainToken({ body: { token: second } });
    t.like(killed, { state: 'dead', cutOffBy: { type: 'agent.killed', client: app.admin.clientId } });
    t.regex(killed.why, /the agent An agent \(agt_\w+\), by agt_\w+, 2\d{3}-.*Z \(agent\.killed\)$/);

    // Of several deaths, the first that its lineage names.
    await killPerson(
      { people: app.store, credentials: app.store, freshness: app.store },
      owner.id,
      app.origin(),
    );
    t.is((await client.explainToken({ body: { token: third } })).cutOffBy?.type, 'agent.killed');

    const next = await addAgent(app, await addPerson(app, 'Bob'), resource);
    const narrowed = await getToken(app, next, resource);
    const lasting = await getToken(
      app,
      await addAgent(app, await addPerson(app, 'Cleo'), resource),
      resource,
    );
    await updateAgent(depsOf(app), next.id, 1, { baseline: [], envelope: [] }, app.origin());
    const { cutOffBy } = await client.explainToken({ body: { token: narrowed } });
    t.is(cutOffBy?.type, 'agent.updated');
    // However much has happened to it since: one change, and the rows of sixty more like it.
    await updateAgent(depsOf(app), next.id, 2, { name: 'Renamed' }, app.origin());
    const renamed = (await app.trail()).findLast(({ type }) => type === 'agent.updated');
    if (!renamed) throw new Error('the change is not in the trail');
    t.like(renamed, { target: next.id, detail: { cutsOff: false } });
    const more = Array.from({ length: 60 }, () => app.store.commit({ changes: [], events: [renamed] }));
    t.true((await Promise.all(more)).every(({ committed }) => committed));
    t.deepEqual((await client.explainToken({ body: { token: narrowed } })).cutOffBy, cutOffBy);
    now += 301_000;
    t.like(await adminClient(app, ['read']).explainToken({ body: { token: lasting } }), { state: 'expired' });
    await t.throwsAsync(
      adminClient(app, ['read']).explainToken({ body: { token: `${value.slice(0, -4)}AAAA` } }),
      {
        message: /no such token/,
      },
    );
  },
);

whateverTheStore(
  'a token under a delegation says that it descends from it, and by whom that was ended: by its person too',
  async (t, env) => {
    const app = await startApp(t, { env });
    const { owner, resource, agentId, client } = await newWorld(app);
    const record = delegationRecord({ personId: owner.id, agentId, resourceId: resource.id });
    const given: DelegationChange = { kind: 'insert', collection: 'delegation', record };
    const token = tokenRecord({
      clientId: agentId,
      lineage: `${agentId}:0 ${delegationHandle(record)}`,
      answer: JSON.stringify({ active: true, aud: resource.identifier, scope: 'read' }),
    });
    await app.store.commit({
      changes: [given, insertToken(token)],
      events: [],
      authority: { none: 'boot' },
    });
    const explain = () => client.explainToken({ body: { jti: token.jti } });
    const alive = await explain();
    t.is(alive.state, 'live');
    t.deepEqual(alive.ancestors.at(-1), { id: record.id, kind: 'delegation', carries: 0, holds: 0 });
    const deps = { delegations: app.store, freshness: app.store };
    await endOwnDelegation(deps, owner.id, record.id, { ...app.origin(), actor: [owner.id] });
    const dead = await explain();
    t.like(dead, { state: 'dead', cutOffBy: { type: 'delegation.ended', actor: owner.id } });
    t.true(dead.why.includes(`the delegation ${record.id}, by ${owner.id},`), dead.why);
  },
);

whateverTheStore(
  'a dry run of an exchange says what the person lets the agent do, until when, and why nothing comes of it',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, clock, alice, planner, worker, resource, give, exchange, tokenFor, introspect } = world;
    const api = adminClient(app, ['read', 'audit']);
    const { id: delegationId } = await give({ expiresAt: new Date(clock() + 120_000).toISOString() });
    const id = planner.id as `agt_${string}`;
    const dry = await api.explainRequest({ id, body: { delegationId } });
    t.like(dry, {
      outcome: 'issue',
      resource: resource.identifier,
      scopes: ['read', 'write'],
      limitedBy: 'delegation',
    });
    t.regex(dry.why, new RegExp(`what ${alice.id} lets it do`));
    const token = await tokenFor(planner, delegationId);
    const { jti, exp, iat } = await introspect(token);
    t.is(dry.expiresIn, exp - iat);
    const following = await introspect(await tokenFor(worker, token));
    t.like(await api.getToken({ jti: following.jti }), {
      subject: alice.id,
      actor: [worker.id, planner.id],
      delegationId,
      status: 'live',
    });
    const explained = await api.explainToken({ body: { jti: following.jti } });
    const descendsFrom = explained.ancestors.map(each => each.id);
    for (const each of [jti, planner.id, worker.id, alice.id, delegationId, resource.id])
      t.true(descendsFrom.includes(each), each);

    const risky = await api.explainRequest({ id, body: { delegationId, scope: 'delete' } });
    t.like(risky, {
      outcome: 'needs-approval',
      reason: 'scope-high-risk',
      permitted: ['read', 'write'],
      beyond: ['delete'],
      approver: alice.id,
    });
    const foreign = await api.explainRequest({ id: worker.id as `agt_${string}`, body: { delegationId } });
    t.like(foreign, { outcome: 'refuse', reason: 'subject-token-foreign' });
    t.regex(foreign.why, /names another agent/);
    // And of a request that was made, by its reference.
    const refused = await exchange(worker, subjectOf(delegationId));
    const told = await api.explainError({ reference: refused.headers.get('error-ref') ?? '' });
    t.is(told.answer?.reason, 'oauth/subject-token-foreign');
    t.like(told.events[0], {
      type: 'token.issue-refused',
      reason: 'subject-token-foreign',
      subject: alice.id,
      detail: { delegation: delegationId },
    });
    await endOwnDelegation(
      { delegations: app.store, freshness: app.store },
      alice.id,
      delegationId,
      app.origin(),
    );
    const ended = await api.explainRequest({ id, body: { delegationId } });
    t.like(ended, { outcome: 'refuse', reason: 'subject-delegation-ended' });
    const dead = await api.explainToken({ body: { jti: following.jti } });
    t.like(dead, { state: 'dead', cutOffBy: { type: 'delegation.ended' } });
    await t.throwsAsync(api.explainRequest({ id, body: { delegationId: `dlg_${'0'.repeat(32)}` } }), {
      message: /delegation/,
    });
  },
);

whateverTheStore(
  'a dry run says who would have to countersign what, and a countersigned token what it lives by and died of',
  async (t, env) => {
    const { app, ada, agent, ...world } = await startWireWorld(t, { env });
    const reader = adminClient(app, ['read', 'audit']);
    const id = agent.id as `agt_${string}`;
    const dry = await reader.explainRequest({
      id,
      body: { scope: 'read write', resource: world.resource.identifier },
    });
    t.like(dry, { outcome: 'needs-approval', beyond: ['write'], approver: ada.person.id, sent: 'write' });
    t.regex(dry.fix ?? '', /completion_mode=deferred/);
    const delegation = await world.give();
    const beyond = await reader.explainRequest({
      id,
      body: { scope: 'delete', delegationId: delegation.id },
    });
    t.like(beyond, { outcome: 'needs-approval', beyond: ['delete'], approver: ada.person.id });

    const asked = await world.ask();
    const found = await reader.explainError({ reference: asked.headers.get('error-ref') ?? '' });
    t.is(found.answer?.reason, 'oauth/elevation-deferred');
    const [event] = await world.eventsOf('elevation.asked');
    t.is(event?.requestId, found.requestId, 'what waits is found by the reference of the answer');
    await world.approve(asked);
    const token: string = (await world.poll(asked)).json.access_token;
    const alive = await reader.explainToken({ body: { token } });
    t.is(alive.state, 'live');
    const kinds = new Set(alive.ancestors.map(({ kind }) => kind));
    t.deepEqual([...kinds].sort(), [
      'agent',
      'deployment',
      'elevation',
      'factor',
      'person',
      'resource',
      'token',
    ]);
    const elevation = await world.elevation(asked);
    await adminClient(app, ['kill']).revokeElevation({ id: elevation.id });
    const dead = await reader.explainToken({ body: { token } });
    t.like(dead, { state: 'dead', cutOffBy: { type: 'elevation.revoked', client: app.admin.clientId } });
    t.regex(dead.why, /the elevation elv_\w+, by agt_/);
  },
);
