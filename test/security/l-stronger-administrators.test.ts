/** Group L: an administrator never acts on a stronger one, except by a kill. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADMIN_SCOPES, type AdminScope } from '../../src/admin-api/index.ts';
import { type Agent, createAgent } from '../../src/agents/index.ts';
import { type AdminClient, createClient, ProblemError, TokenError } from '../../src/client/index.ts';
import { ADMIN_API_RESOURCE_ID } from '../../src/resources/index.ts';
import { adminClient } from '../support/admin-client.ts';
import { newProofKey } from '../support/dpop.ts';
import { type App, addAgent, addPerson, addResource, startApp, startAppIn } from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';

/** What the API knew before people got a scope of their own. */
const OLDER = ADMIN_SCOPES.filter(scope => scope !== 'people');

/** An administrator's client that holds just these scopes of the API. */
async function addAdministrator(
  app: App,
  ownerId: string,
  scopes: readonly AdminScope[],
  more: Record<string, unknown> = {},
) {
  const own = [{ resource: `${app.issuer}/api`, scopes }];
  const { agent, secret = '' } = await createAgent(
    { agents: app.store, people: app.store, resources: app.store, freshness: app.store },
    {
      name: `Holds ${scopes.join(' ')}`,
      ownerId,
      envelope: own,
      baseline: own,
      credential: { method: 'client_secret' },
      ...more,
    },
    app.origin(),
  );
  const as = (asked: readonly AdminScope[]): AdminClient =>
    createClient({ issuer: app.issuer, clientId: agent.id, clientSecret: secret, scopes: asked });
  return { id: agent.id, ownerId, secret, as, api: as(scopes) };
}

/** What an application is, besides what every agent is. */
const APPLICATION = {
  application: { redirectUris: ['https://app.example/callback'] },
  credential: { method: 'none' },
};

async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    if (error instanceof TokenError) return 'no token';
    if (!(error instanceof ProblemError)) throw error;
    return error.code;
  }
}

async function world(t: Parameters<typeof startApp>[0], env = {}) {
  const app = await startApp(t, { env });
  const owner = await addPerson(app);
  const weak = await addAdministrator(app, owner.id, ['read', 'agents', 'people', 'kill']);
  const strong = await addAdministrator(app, owner.id, ['read', 'agents', 'audit']);
  return { app, owner, weak, strong };
}

whateverTheStore(
  'what a weaker administrator cannot hold, it cannot restore, change or re-key',
  async (t, env) => {
    const { app, owner, weak, strong } = await world(t, env);
    const other = await addPerson(app, 'Grace Owner');
    const { id } = strong;
    const before = await weak.api.getAgent({ id });
    const change = (body: object) =>
      reasonOf(weak.api.updateAgent({ id, version: before.version, body: body as never }));
    for (const body of [
      { baseline: [] },
      { envelope: [], baseline: [] },
      { ownerId: other.id },
      { name: 'Renamed' },
      { expiresAt: '2100-01-01T00:00:00Z' },
      { accessTokenTtlSeconds: 60 },
      { dpop: 'required' },
    ]) {
      t.is(await change(body), 'admin-scope-not-held', JSON.stringify(body));
    }
    t.is(await reasonOf(weak.api.issueAgentSecret({ id })), 'admin-scope-not-held');
    const key = { ...(await newProofKey()).publicJwk } as Parameters<
      typeof weak.api.addAgentKey
    >[0]['body']['key'];
    t.is(await reasonOf(weak.api.addAgentKey({ id, body: { key } })), 'admin-scope-not-held');
    t.is(
      await reasonOf(weak.api.revokeAgentKey({ id, key: `jwk_${'A'.repeat(12)}` })),
      'admin-scope-not-held',
    );
    const { items } = await weak.api.listAgentSecrets({ id });
    t.is(
      await reasonOf(weak.api.revokeAgentSecret({ id, secret: items[0]?.id ?? '' })),
      'admin-scope-not-held',
    );
    t.is(await reasonOf(weak.api.retireAgent({ id })), 'admin-scope-not-held');
    t.deepEqual(await weak.api.getAgent({ id }), before);

    // A kill is open to whoever may kill, and nobody weaker takes it back.
    t.is((await weak.api.killAgent({ id })).status, 'suspended');
    t.is(await reasonOf(weak.api.restoreAgent({ id })), 'admin-scope-not-held');
    t.is((await weak.api.getAgent({ id })).status, 'suspended');
    const refused = (await app.trail()).filter(({ reason }) => reason === 'admin-scope-not-held');
    t.is(refused.length, 13);

    const peer = await addAdministrator(app, owner.id, ['read', 'agents', 'audit', 'kill']);
    t.is((await peer.api.restoreAgent({ id })).status, 'active');
    // It is the token that counts, not what its client could ask for.
    t.is(await reasonOf(peer.as(['kill']).retireAgent({ id })), 'admin-scope-not-held');
    t.is((await peer.api.retireAgent({ id })).status, 'retired');
  },
);

whateverTheStore(
  'whoever holds `agents` alone has no say over people, and the other way round',
  async (t, env) => {
    const { app, owner } = await world(t, env);
    const agents = await addAdministrator(app, owner.id, ['read', 'agents']);
    const people = await addAdministrator(app, owner.id, ['read', 'people']);
    const missing = 'admin-scope-missing';
    const api = agents.as(['agents', 'read']);
    const body = { name: 'Grace', roles: ['admin', 'approver', 'auditor'] as const };
    t.is(await reasonOf(api.createPerson({ body })), missing);
    const { id, version } = await people.api.createPerson({ body });
    t.is(await reasonOf(api.updatePerson({ id, version, body: { roles: ['auditor'] } })), missing);
    t.is(await reasonOf(api.invitePerson({ id })), missing);
    t.is(await reasonOf(api.restorePerson({ id })), missing);
    const changed = await people.api.updatePerson({ id, version, body: { roles: ['approver'] } });
    t.deepEqual(changed.roles, ['approver']);
    t.regex((await people.api.invitePerson({ id })).link, /\/enrol\//);
    t.is((await people.api.restorePerson({ id })).status, 'active');
    t.is(await reasonOf(people.api.restoreAgent({ id: agents.id })), missing);
  },
);

whateverTheStore(
  'an owner is restored only by who holds what the agents of that owner hold',
  async (t, env) => {
    const { app, weak } = await world(t, env);
    const grace = await addPerson(app, 'Grace Owner');
    // More than one page of agents, and the stronger one is the oldest.
    const auditor = await addAdministrator(app, grace.id, ['audit']);
    const retired = await addAdministrator(app, grace.id, ['keys']);
    await adminClient(app, ADMIN_SCOPES).retireAgent({ id: retired.id });
    const resource = await addResource(app);
    for (let index = 0; index < 101; index += 1) await addAgent(app, grace, resource);
    t.is((await weak.api.killPerson({ id: grace.id })).status, 'disabled');
    t.is(await reasonOf(weak.api.restorePerson({ id: grace.id })), 'admin-scope-not-held');
    t.is((await weak.api.getPerson({ id: grace.id })).status, 'disabled');
    t.is(await reasonOf(auditor.api.getCaller()), 'no token');
    const peer = await addAdministrator(app, weak.ownerId, ['people', 'audit']);
    t.is((await peer.api.restorePerson({ id: grace.id })).status, 'active');
    t.is((await auditor.api.getCaller()).clientId, auditor.id);
  },
);

whateverTheStore('nobody administers by an application: whoever signs in could', async (t, env) => {
  const { app, owner } = await world(t, env);
  const own = [{ resource: `${app.issuer}/api`, scopes: ['read'] as const }];
  const api = adminClient(app, ADMIN_SCOPES);
  const body = { name: 'Console', ownerId: owner.id, envelope: own, ...APPLICATION } as never;
  t.is(await reasonOf(api.createAgent({ body })), 'application-not-possible');
  const template = { application: { selfRegistration: 'open' }, credential: { method: 'none' } };
  const open = { name: 'All', ownerId: owner.id, envelope: own, ...template } as never;
  t.is(await reasonOf(api.createAgent({ body: open })), 'application-not-possible');
  const resource = await addResource(app);
  const { id, version } = await api.createAgent({
    body: {
      name: 'Shop',
      ownerId: owner.id,
      envelope: [{ resource: resource.identifier, scopes: ['read'] }],
      ...APPLICATION,
    } as never,
  });
  t.is(await reasonOf(api.updateAgent({ id, version, body: { envelope: own } })), 'application-not-possible');
});

/** Makes of a store what a server has left that did not know the newest scope yet. */
async function forgetScope(app: App, scope: AdminScope, held: readonly AdminScope[]): Promise<void> {
  const resource = await app.store.findResource(ADMIN_API_RESOURCE_ID);
  const agent = await app.store.findAgent(app.admin.clientId);
  if (!resource || !agent) throw new Error('there is no admin API');
  const own = [{ resource: resource.identifier, scopes: held }];
  const scopes = resource.scopes.filter(({ name }) => name !== scope);
  await app.store.commit({
    changes: [
      {
        kind: 'replace',
        collection: 'resource',
        record: { ...resource, version: resource.version + 1, scopes },
        ifVersion: resource.version,
      },
      {
        kind: 'replace',
        collection: 'agent',
        record: { ...agent, version: agent.version + 1, envelope: own, baseline: own },
        ifVersion: agent.version,
      },
    ],
    events: [],
    authority: { none: 'boot' },
  });
}

for (const { who, held, gets } of [
  { who: 'that holds all the older ones gets it', held: OLDER, gets: true },
  { who: 'that was narrowed does not get it', held: OLDER.slice(1), gets: false },
]) {
  whateverTheStore(`a store from before a scope of the API: the bootstrap agent ${who}`, async (t, env) => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const first = await startAppIn(directory, { env });
    t.teardown(() => first.stop());
    await forgetScope(first, 'people', held);
    await first.stop();
    const { clientId, secret } = first.admin;
    const again = (logs: string[]): Promise<App> =>
      startAppIn(directory, {
        env: {
          ...env,
          COUNTERSIGN_BOOTSTRAP_CLIENT_ID: clientId,
          COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: secret,
          COUNTERSIGN_ISSUER: 'https://moved.example',
        },
        logs,
      });
    const logs: string[] = [];
    const second = await again(logs);
    t.teardown(() => second.stop());
    const scopes = gets ? [...held, 'people'] : held;
    const own = [{ resource: 'https://moved.example/api', scopes }];
    const agent = await second.store.findAgent(clientId);
    t.deepEqual(agent?.envelope, own);
    t.deepEqual(agent?.baseline, own);
    const told = logs.map(line => JSON.parse(line)).filter(({ newScopes }) => newScopes !== undefined);
    t.deepEqual(
      told.map(({ newScopes, agents }) => ({ newScopes, agents })),
      [{ newScopes: ['people'], agents: gets ? [clientId] : [] }],
    );
    const widened = async (app: App) =>
      (await app.trail()).filter(({ detail }) => detail?.['by'] === 'upgrade');
    for (const { type, target, detail } of await widened(second)) {
      t.like(
        { type, target, detail },
        { type: 'agent.updated', target: clientId, detail: { newScopes: ['people'] } },
      );
    }
    t.is((await widened(second)).length, gets ? 1 : 0);

    // Once: what is taken from it afterwards stays away.
    const before = agent as Agent;
    await second.store.commit({
      changes: [
        {
          kind: 'replace',
          collection: 'agent',
          record: { ...before, version: before.version + 1, envelope: [], baseline: [] },
          ifVersion: before.version,
        },
      ],
      events: [],
      authority: { none: 'boot' },
    });
    await second.stop();
    const third = await again([]);
    t.teardown(() => third.stop());
    t.deepEqual((await third.store.findAgent(clientId))?.envelope, []);
    t.is((await widened(third)).length, gets ? 1 : 0);
  });
}
