/** A creation that is sent again makes nothing more (draft-ietf-httpapi-idempotency-key-header). */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import canonicalize from 'canonicalize';
import { createClient } from '../../src/client/index.ts';
import { idempotentRequest } from '../../src/idempotency/index.ts';
import { newId } from '../../src/ids.ts';
import { adminClient } from '../support/admin-client.ts';
import {
  type Answer,
  type App,
  addAgent,
  addPerson,
  addResource,
  heldClock,
  startApp,
  startAppIn,
} from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

const HOUR_MS = 3_600_000;

/** A POST to one process, under the name of the issuer: by node:http, since `fetch` has the Host of where it goes to. */
async function send(app: App, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
  const { port } = new URL(app.base);
  const { host } = new URL(app.issuer);
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      {
        host: 'localhost',
        port,
        path,
        method: 'POST',
        agent: false,
        headers: { Host: host, ...length, ...headers },
      },
      resolve,
    );
    sent.on('error', reject).end(body);
  });
  const text = Buffer.concat(await response.toArray()).toString();
  const entries = Object.entries(response.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  return { status: response.statusCode ?? 0, headers: new Headers(entries), text, json: JSON.parse(text) };
}

/** A token of one process. */
function tokenOf(app: App, basic: readonly [string, string], form: Record<string, string>): Promise<Answer> {
  const headers = {
    Authorization: `Basic ${Buffer.from(basic.join(':')).toString('base64')}`,
    'Content-Type': 'application/x-www-form-urlencoded',
  };
  const all = new URLSearchParams({ grant_type: 'client_credentials', ...form });
  return send(app, '/token', headers, String(all));
}

/** A call of the admin API as the bootstrap administrator, or as who is given. */
async function caller(app: App, basic: readonly [string, string] = [app.admin.clientId, app.admin.secret]) {
  const token = (await tokenOf(app, basic, { resource: `${app.issuer}/api` })).json.access_token;
  return (path: string, body: unknown, key?: string): Promise<Answer> =>
    send(
      app,
      `/api/v1${path}`,
      {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
      },
      body === undefined ? undefined : JSON.stringify(body),
    );
}

async function world(t: Parameters<typeof startApp>[0], env = {}) {
  const clock = heldClock();
  const app = await startApp(t, { env, clock });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = {
    name: 'Refunder',
    ownerId: owner.id,
    envelope: [{ resource: resource.identifier, scopes: ['read'] }],
    credential: { method: 'client_secret' },
  };
  const countOf = async (type: string) => (await app.trail()).filter(event => event.type === type).length;
  return { app, post: await caller(app), owner, resource, agent, forward: clock.pass, countOf };
}

onEachStore('the same creation with the same key makes one thing and gets one answer', async (t, env) => {
  const { post, agent, resource, countOf } = await world(t, env);
  const first = await post('/agents', agent, '"deploy-1"');
  t.is(first.status, 201);
  t.is(first.headers.get('idempotency-replayed'), null);
  const record = first.json;
  t.truthy(record.secret);

  for (const key of ['"deploy-1"', 'deploy-1']) {
    // Whatever has happened to the record since: this is the answer to the request.
    const again = await post('/agents', { ...agent }, key);
    t.is(again.status, 201);
    t.is(again.headers.get('idempotency-replayed'), 'true');
    t.is(again.headers.get('location'), first.headers.get('location'));
    t.is(again.headers.get('etag'), first.headers.get('etag'));
    t.is(again.text, first.text, 'with the secret: it may be what was lost on its way');
  }
  t.is(await countOf('agent.created'), 1 + 1, 'the administrator and this one');

  const issued = await post(`/agents/${record.id}/secrets`, undefined, 'secret-1');
  const reissued = await post(`/agents/${record.id}/secrets`, undefined, 'secret-1');
  t.is(reissued.text, issued.text);
  t.truthy(issued.json.secret);

  const rotated = await post('/keys/rotate', { alg: 'ES256' }, 'rotate-1');
  t.is(rotated.status, 201, rotated.text);
  t.deepEqual((await post('/keys/rotate', { alg: 'ES256' }, 'rotate-1')).json, rotated.json);
  const made = await post('/resources', { ...RESOURCE, identifier: `${resource.identifier}/2` }, 'res-1');
  t.is(made.status, 201, made.text);
  const person = await post('/people', { name: 'Ada' }, 'person-1');
  t.deepEqual((await post('/people', { name: 'Ada' }, 'person-1')).json, person.json);
});

const RESOURCE = { name: 'Orders', scopes: [{ name: 'read', sentence: 'See orders', risk: 'low' }] };

whateverTheStore(
  'the same call with the same key and another body is refused, and makes nothing',
  async (t, env) => {
    const { post, agent, countOf } = await world(t, env);
    t.is((await post('/agents', agent, 'k')).status, 201);
    const before = [await countOf('agent.created'), await countOf('person.created')];
    const answer = await post('/agents', { ...agent, name: 'Other' }, 'k');
    t.is(answer.status, 422);
    t.regex(answer.json.type, /#idempotency-key-reused$/);
    t.deepEqual([await countOf('agent.created'), await countOf('person.created')], before);
    // A key belongs to one call: at another path it is another one.
    const person = await post('/people', { name: 'Ada' }, 'k');
    t.is(person.status, 201, person.text);
    t.is(person.headers.get('idempotency-replayed'), null);
  },
);

/** Two processes on one store, which the test holds and lets go on. Neither can be reached by its issuer: that is the same for both. */
async function twoProcesses(t: Parameters<typeof startApp>[0], env = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  const shared = {
    ...env,
    COUNTERSIGN_ISSUER: 'https://auth.example',
    COUNTERSIGN_BOOTSTRAP_CLIENT_ID: newId('agt', Date.now()),
    COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: 'A-secret-of-the-tests-that-is-long-enough-0123',
  };
  const clock = heldClock();
  const start = async () => {
    const app = await startAppIn(directory, { env: shared, clock });
    const basic = [
      shared.COUNTERSIGN_BOOTSTRAP_CLIENT_ID,
      shared.COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET,
    ] as const;
    return { app, post: await caller(app, basic) };
  };
  const one = await start();
  const other = await start();
  t.teardown(async () => {
    await Promise.all([one.app.stop(), other.app.stop()]);
    await rm(directory, { recursive: true, force: true });
  });
  const owner = await addPerson(one.app);
  const resource = await addResource(one.app);
  const agent = {
    name: 'Refunder',
    ownerId: owner.id,
    envelope: [{ resource: resource.identifier, scopes: ['read'] }],
    credential: { method: 'client_secret' },
  };
  await other.app.store.fresh();
  const countOf = async (type: string) => (await one.app.trail()).filter(event => event.type === type).length;
  return { one, other, agent, countOf };
}

/** Holds the next commit of a process that keeps an answer, as a slow disk would: everything is decided, nothing is written. */
function holdCommit(app: App) {
  const isHeld = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const { store } = app;
  const commit = store.commit.bind(store);
  store.commit = async unit => {
    if (unit.changes.some(({ kind }) => kind === 'keep-answer')) {
      store.commit = commit;
      isHeld.resolve();
      await goOn.promise;
    }
    return commit(unit);
  };
  return {
    goOn: goOn.resolve,
    /** Waits until the commit of this request is held; one that ends before that has not come so far. */
    until: async (request?: Promise<Answer>) => {
      const ended = request?.then(({ status, text }) => Promise.reject(new Error(`${status} ${text}`)));
      await Promise.race([isHeld.promise, ...(ended ? [ended] : [])]);
      ended?.catch(() => undefined);
    },
  };
}

onEachStore('of two processes, the second at the commit gets the answer of the first', async (t, env) => {
  const { one, other, agent, countOf } = await twoProcesses(t, env);
  const before = await countOf('agent.created');
  for (const [first, second, key] of [
    [one, other, 'there'],
    [other, one, 'back'],
  ] as const) {
    const held = holdCommit(second.app);
    const late = second.post('/agents', agent, key);
    await held.until(late);
    const early = await first.post('/agents', agent, key);
    t.is(early.status, 201, early.text);
    t.is(early.headers.get('idempotency-replayed'), null);
    held.goOn();
    const answer = await late;
    t.is(answer.status, 201, answer.text);
    t.is(answer.text, early.text, 'the secret too: that of the one agent there is');
    t.is(answer.headers.get('idempotency-replayed'), 'true');
    t.is(answer.headers.get('location'), early.headers.get('location'));
    t.is(answer.headers.get('etag'), early.headers.get('etag'));
    // That secret is the one that works.
    const { id, secret } = answer.json;
    const form = { scope: 'read', resource: agent.envelope[0]?.resource ?? '' };
    const token = await tokenOf(second.app, [id, secret], form);
    t.is(token.json.error, 'invalid_scope', 'it is known, and has nothing without asking');
  }
  t.is(await countOf('agent.created'), before + 2);
});

onEachStore('of two processes, the second is refused where its body is another one', async (t, env) => {
  const { one, other, agent, countOf } = await twoProcesses(t, env);
  const before = await countOf('agent.created');
  const held = holdCommit(other.app);
  const late = other.post('/agents', { ...agent, name: 'Another' }, 'k');
  await held.until(late);
  t.is((await one.post('/agents', agent, 'k')).status, 201);
  held.goOn();
  const answer = await late;
  t.is(answer.status, 422, answer.text);
  t.regex(answer.json.type, /#idempotency-key-reused$/);
  t.is(await countOf('agent.created'), before + 1);
});

onEachStore('what the first has made is no reason to refuse the second', async (t, env) => {
  const { one, other } = await twoProcesses(t, env);
  // The second finds no answer yet, is held, and then finds the successor that the first has made pending.
  const isHeld = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const { store } = other.app;
  const list = store.listSigningKeys.bind(store);
  const find = store.findKeptAnswer.bind(store);
  store.findKeptAnswer = async id => {
    const found = await find(id);
    store.findKeptAnswer = find;
    store.listSigningKeys = async () => {
      isHeld.resolve();
      await goOn.promise;
      return list();
    };
    return found;
  };
  const late = other.post('/keys/rotate', { alg: 'ES256' }, 'rotate');
  const ended = late.then(({ status, text }) => Promise.reject(new Error(`${status} ${text}`)));
  ended.catch(() => undefined);
  await Promise.race([isHeld.promise, ended]);
  const early = await one.post('/keys/rotate', { alg: 'ES256' }, 'rotate');
  t.is(early.status, 201, early.text);
  goOn.resolve();
  store.listSigningKeys = list;
  const answer = await late;
  t.is(answer.status, 201, answer.text);
  t.is(answer.text, early.text);
  t.is((await one.post('/keys/rotate', { alg: 'ES256' }, 'rotate-2')).status, 409);
});

onEachStore(
  'while a process answers the first, the second is asked to wait there, and nowhere else',
  async (t, env) => {
    const { one, other, agent, countOf } = await twoProcesses(t, env);
    const before = await countOf('agent.created');
    const held = holdCommit(one.app);
    const first = one.post('/agents', agent, 'k');
    await held.until(first);
    for (const body of [agent, { ...agent, name: 'Another' }]) {
      const waiting = await one.post('/agents', body, 'k');
      t.is(waiting.status, 409, waiting.text);
      t.regex(waiting.json.type, /#idempotency-key-in-progress$/);
      t.is(waiting.headers.get('retry-after'), '1');
    }
    t.is((await one.post('/agents', agent, 'another')).status, 201, 'another key is another request');
    // No row claims the key: the other process does not know of the first, and comes first at the commit.
    const elsewhere = await other.post('/agents', agent, 'k');
    t.is(elsewhere.status, 201, elsewhere.text);
    held.goOn();
    t.is((await first).text, elsewhere.text);
    t.is((await one.post('/agents', agent, 'k')).text, elsewhere.text, 'answered, and no longer in progress');
    t.is(await countOf('agent.created'), before + 2);
  },
);

onEachStore('a first request that is refused claims nothing, in no process', async (t, env) => {
  const { one, other, agent } = await twoProcesses(t, env);
  t.is((await one.post('/agents', { ...agent, baseline: agent.envelope, envelope: [] }, 'k')).status, 422);
  const second = await other.post('/agents', agent, 'k');
  t.is(second.status, 201, second.text);
  t.is(second.headers.get('idempotency-replayed'), null);
  t.is((await one.post('/agents', agent, 'k')).text, second.text);
});

whateverTheStore(
  'an answer is kept sealed: it takes the key that the client gave, and the key-encryption key',
  async (t, env) => {
    const { app, post, agent } = await world(t, env);
    const made = await post('/agents', agent, 'sesame');
    const { clientId: client } = app.admin;
    const path = '/api/v1/agents';
    const request = idempotentRequest('sesame', { client, method: 'POST', path, body: agent });
    t.truthy(request);
    const kept = await app.store.findKeptAnswer(request?.id ?? '');
    t.truthy(kept);
    const stored = JSON.stringify(kept);
    for (const hidden of [made.json.secret, made.json.id, 'Refunder', 'sesame'])
      t.false(stored.includes(hidden));
    t.is(
      kept?.requestDigest,
      createHash('sha256')
        .update(canonicalize(agent) ?? '')
        .digest('base64url'),
    );
    t.is(kept?.expiresAt, app.now() + 24 * HOUR_MS);
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

whateverTheStore(
  'the client makes one agent although the first answer was lost on its way',
  async (t, env) => {
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
    t.truthy(made.secret, 'the secret that was lost with it');
    t.is(await countOf('agent.created'), before + 1);
    const form = { grant_type: 'client_credentials', resource: agent.envelope[0]?.resource ?? '' };
    const token = await app.post(
      '/token',
      { ...form, scope: 'read' },
      { basic: [made.id, made.secret ?? ''] },
    );
    t.not(token.status, 401, token.text);
  },
);

whateverTheStore('the client waits while its first request is being answered', async (t, env) => {
  const { app, agent, countOf } = await world(t, env);
  const held = holdCommit(app);
  const before = await countOf('agent.created');
  const statuses: number[] = [];
  let lost = 0;
  const losing: typeof fetch = async (url, init) => {
    if (!String(url).endsWith('/agents')) return fetch(url, init);
    if (lost === 0) {
      lost += 1;
      // It goes on at the server; only its connection is lost.
      void fetch(url, { ...init, signal: null }).catch(() => undefined);
      await held.until();
      throw new TypeError('fetch failed');
    }
    const response = await fetch(url, init);
    statuses.push(response.status);
    held.goOn();
    return response;
  };
  const { clientId, secret: clientSecret } = app.admin;
  const api = createClient({ issuer: app.issuer, clientId, clientSecret, fetch: losing });
  const made = await api.createAgent({ body: agent as never });
  t.truthy(made.secret);
  t.is(statuses[0], 409);
  t.is(statuses.at(-1), 201);
  t.is(await countOf('agent.created'), before + 1);
});

test('calls that make nothing are repeated as they are, and take no key', async t => {
  const { app, post, owner, resource } = await world(t);
  const { id } = await addAgent(app, owner, resource);
  const killed = await post(`/agents/${id}/kill`, undefined, 'not " a key');
  t.is(killed.json.status, 'suspended');
  t.is((await post(`/agents/${id}/kill`, undefined, 'not " a key')).json.version, killed.json.version);
});
