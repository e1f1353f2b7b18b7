/** A creation that is sent again makes nothing more (draft-ietf-httpapi-idempotency-key-header). */
import test from 'ava';
import { createClient } from '../../src/client/index.ts';
import { adminClient } from '../support/admin-client.ts';
import { type Answer, type App, addAgent, addPerson, addResource, startApp } from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';

const HOUR_MS = 3_600_000;

/** A call of the admin API as the bootstrap administrator, or as who is given. */
async function caller(app: App, basic: readonly [string, string] = [app.admin.clientId, app.admin.secret]) {
  const form = { grant_type: 'client_credentials', resource: `${app.issuer}/api` };
  const token = (await app.post('/token', form, { basic })).json.access_token;
  return async (path: string, body: unknown, key?: string): Promise<Answer> => {
    const response = await fetch(`${app.base}/api/v1${path}`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
  };
}

async function world(t: Parameters<typeof startApp>[0], env = {}) {
  let nowMs = Date.now();
  const app = await startApp(t, { env, clock: () => nowMs });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = {
    name: 'Refunder',
    ownerId: owner.id,
    envelope: [{ resource: resource.identifier, scopes: ['read'] }],
    credential: { method: 'client_secret' },
  };
  const forward = (ms: number) => {
    nowMs += ms;
  };
  const countOf = async (type: string) => (await app.trail()).filter(event => event.type === type).length;
  return { app, post: await caller(app), owner, resource, agent, forward, countOf };
}

onEachStore('the same creation with the same key makes one thing and gets one answer', async (t, env) => {
  const { post, agent, resource, countOf } = await world(t, env);
  const first = await post('/agents', agent, '"deploy-1"');
  t.is(first.status, 201);
  t.is(first.headers.get('idempotency-replayed'), null);
  const { secret, ...record } = first.json;
  t.truthy(secret);

  for (const key of ['"deploy-1"', 'deploy-1']) {
    // Whatever has happened to the record since: this is the answer to the request.
    const again = await post('/agents', { ...agent }, key);
    t.is(again.status, 201);
    t.is(again.headers.get('idempotency-replayed'), 'true');
    t.is(again.headers.get('location'), first.headers.get('location'));
    t.is(again.headers.get('etag'), first.headers.get('etag'));
    t.deepEqual(again.json, { ...record, secretShownBefore: true });
  }
  t.is(await countOf('agent.created'), 1 + 1, 'the administrator and this one');

  const issued = await post(`/agents/${record.id}/secrets`, undefined, 'secret-1');
  const reissued = await post(`/agents/${record.id}/secrets`, undefined, 'secret-1');
  t.is(reissued.json.credential.secrets, issued.json.credential.secrets);
  t.true(reissued.json.secretShownBefore);
  t.false('secret' in reissued.json);

  const rotated = await post('/keys/rotate', { alg: 'ES256' }, 'rotate-1');
  t.is(rotated.status, 201, rotated.text);
  t.deepEqual((await post('/keys/rotate', { alg: 'ES256' }, 'rotate-1')).json, rotated.json);
  const made = await post('/resources', { ...RESOURCE, identifier: `${resource.identifier}/2` }, 'res-1');
  t.is(made.status, 201, made.text);
  const person = await post('/people', { name: 'Ada' }, 'person-1');
  t.deepEqual((await post('/people', { name: 'Ada' }, 'person-1')).json, person.json);
});

const RESOURCE = { name: 'Orders', scopes: [{ name: 'read', sentence: 'See orders', risk: 'low' }] };

onEachStore('another request with the same key is refused, and makes nothing', async (t, env) => {
  const { post, agent, countOf } = await world(t, env);
  t.is((await post('/agents', agent, 'k')).status, 201);
  const before = [await countOf('agent.created'), await countOf('person.created')];
  for (const [path, body] of [
    ['/agents', { ...agent, name: 'Other' }],
    ['/people', { name: 'Ada' }],
  ] as const) {
    const answer = await post(path, body, 'k');
    t.is(answer.status, 422);
    t.regex(answer.json.type, /#idempotency-key-reused$/);
  }
  t.deepEqual([await countOf('agent.created'), await countOf('person.created')], before);
});

onEachStore(
  'of 20 alike requests at the same moment, one makes it and all get its answer',
  async (t, env) => {
    const { post, agent, countOf } = await world(t, env);
    const before = await countOf('agent.created');
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('/agents', agent, '"race"')));
    t.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    t.is(new Set(answers.map(({ json }) => json.id)).size, 1);
    t.is(answers.filter(({ json }) => 'secret' in json).length, 1);
    t.is(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true').length, 19);
    t.is(await countOf('agent.created'), before + 1);
  },
);

onEachStore('a key is free again after 24 hours, and not before', async (t, env) => {
  const { app, agent, forward } = await world(t, env);
  const id = async () => (await (await caller(app))('/agents', agent, 'daily')).json.id;
  const first = await id();
  forward(24 * HOUR_MS - 1_000);
  t.is(await id(), first);
  forward(2_000);
  const second = await id();
  t.not(second, first);
  t.is(await id(), second);
});

test('a key belongs to the client that uses it', async t => {
  const { app, post, owner, agent } = await world(t);
  const api = adminClient(app, ['agents', 'read']);
  const own = [{ resource: `${app.issuer}/api`, scopes: ['agents'] }];
  const other = await api.createAgent({
    body: {
      name: 'Another administrator',
      ownerId: owner.id,
      envelope: own,
      baseline: own,
      credential: { method: 'client_secret' },
    },
  });
  const postAsOther = await caller(app, [other.id, other.secret ?? '']);
  const first = await post('/agents', agent, 'shared');
  const second = await postAsOther('/agents', agent, 'shared');
  t.is(second.status, 201);
  t.truthy(second.json.secret);
  t.not(second.json.id, first.json.id);
});

test('a refusal is not remembered: the request is decided anew', async t => {
  const { app, post, agent } = await world(t);
  const id = `usr_${'b'.repeat(32)}`;
  const early = await post('/agents', { ...agent, ownerId: id }, 'k');
  t.is(early.status, 422);
  t.regex(early.json.type, /#owner-not-registered$/);
  await adminClient(app).createPerson({ body: { id, name: 'Grace' } });
  t.is((await post('/agents', { ...agent, ownerId: id }, 'k')).status, 201);
});

test('what is no key is refused', async t => {
  const { post, agent } = await world(t);
  for (const key of [
    '',
    '"',
    '""',
    '"a", "b"',
    'a b',
    '"a"b"',
    `"${'a'.repeat(201)}"`,
    '{"$gt":""}',
    '"a\\"',
  ]) {
    const answer = await post('/agents', agent, key);
    t.is(answer.status, 400, key);
    t.regex(answer.json.type, /#idempotency-key-malformed$/, key);
  }
  t.is((await post('/agents', agent, `"${'a'.repeat(200)}"`)).status, 201);
});

test('a repetition needs the scope that the request needed', async t => {
  const { app, post, agent } = await world(t);
  await post('/agents', agent, 'k');
  const token = (
    await app.post(
      '/token',
      { grant_type: 'client_credentials', resource: `${app.issuer}/api`, scope: 'read' },
      { basic: [app.admin.clientId, app.admin.secret] },
    )
  ).json.access_token;
  const headers = {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    'Idempotency-Key': 'k',
  };
  const response = await fetch(`${app.base}/api/v1/agents`, {
    method: 'POST',
    headers,
    body: JSON.stringify(agent),
  });
  t.is(response.status, 403);
});

onEachStore('the client makes one agent although the first answer was lost on its way', async (t, env) => {
  const { app, agent, countOf } = await world(t, env);
  let lost = 0;
  const losing: typeof fetch = async (url, init) => {
    const response = await fetch(url, init);
    if (!String(url).endsWith('/agents') || lost > 0) return response;
    lost += 1;
    throw new TypeError('fetch failed');
  };
  const { clientId, secret: clientSecret } = app.admin;
  const api = createClient({ issuer: app.issuer, clientId, clientSecret, fetch: losing });
  const before = await countOf('agent.created');
  const made = await api.createAgent({ body: agent as never });
  t.is(lost, 1);
  t.true(made.secretShownBefore);
  t.is(made.secret, undefined);
  t.is(await countOf('agent.created'), before + 1);

  // What was lost is ended by name, and another one is made: the one in use is not pushed out.
  const { items } = await api.listAgentSecrets({ id: made.id });
  await api.revokeAgentSecret({ id: made.id, secret: items[0]?.id ?? '' });
  const { secret = '' } = await api.issueAgentSecret({ id: made.id });
  const form = { grant_type: 'client_credentials', resource: agent.envelope[0]?.resource ?? '' };
  const token = await app.post('/token', { ...form, scope: 'read' }, { basic: [made.id, secret] });
  t.not(token.status, 401, token.text);
});

test('calls that make nothing are repeated as they are, and take no key', async t => {
  const { app, post, owner, resource } = await world(t);
  const { id } = await addAgent(app, owner, resource);
  const killed = await post(`/agents/${id}/kill`, undefined, 'not " a key');
  t.is(killed.json.status, 'suspended');
  t.is((await post(`/agents/${id}/kill`, undefined, 'not " a key')).json.version, killed.json.version);
});
