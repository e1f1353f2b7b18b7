/** Group L: the admin API and what it stores. */
import { request } from 'node:http';
import test from 'ava';
import { repeatedMember } from '../../src/input/index.ts';
import { BOOTSTRAP_OPERATOR_ID } from '../../src/people/index.ts';
import { credentialRecord } from '../contract/records.ts';
import {
  type Answer,
  type App,
  type AppOptions,
  addAgent,
  addPerson,
  addResource,
  getToken,
  heldClock,
  startApp,
} from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

interface Call {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

async function call(
  app: App,
  method: string,
  path: string,
  { token, body, headers }: Call = {},
): Promise<Answer> {
  const response = await fetch(`${app.base}/api/v1${path}`, {
    method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

async function adminToken(app: App, scope?: string): Promise<string> {
  const form = { grant_type: 'client_credentials', scope };
  const answer = await app.post('/token', form, { basic: [app.admin.clientId, app.admin.secret] });
  return answer.json.access_token;
}

async function world(t: Parameters<typeof startApp>[0], options: AppOptions = {}) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  return { app, owner, resource, agent };
}

const SCOPES = ['read', 'agents', 'people', 'kill', 'keys', 'audit'] as const;
type Scope = (typeof SCOPES)[number];

/** Every route, with the one scope that opens it. */
function routes(ids: {
  agent: string;
  person: string;
  resource: string;
}): readonly (readonly [string, string, Scope])[] {
  const { agent, person, resource } = ids;
  return [
    ['GET', '/agents', 'read'],
    ['POST', '/agents', 'agents'],
    ['GET', `/agents/${agent}`, 'read'],
    ['PATCH', `/agents/${agent}`, 'agents'],
    ['POST', `/agents/${agent}/restore`, 'agents'],
    ['POST', `/agents/${agent}/secrets`, 'agents'],
    ['POST', `/agents/${agent}/kill`, 'kill'],
    ['POST', `/agents/${agent}/retire`, 'kill'],
    ['GET', '/people', 'read'],
    ['POST', '/people', 'people'],
    ['GET', `/people/${person}`, 'read'],
    ['PATCH', `/people/${person}`, 'people'],
    ['POST', `/people/${person}/restore`, 'people'],
    ['POST', `/people/${person}/kill`, 'kill'],
    ['GET', '/resources', 'read'],
    ['POST', '/resources', 'agents'],
    ['GET', `/resources/${resource}`, 'read'],
    ['PATCH', `/resources/${resource}`, 'agents'],
    ['POST', `/resources/${resource}/restore`, 'agents'],
    ['POST', `/resources/${resource}/secrets`, 'agents'],
    ['POST', `/resources/${resource}/kill`, 'kill'],
    ['GET', '/keys', 'read'],
    ['GET', '/audit', 'audit'],
  ];
}

test('R110: every route refuses nobody, an agent, a resource server, and a token without its scope', async t => {
  const { app, owner, resource, agent } = await world(t);
  const ids = { agent: agent.id, person: owner.id, resource: resource.id };
  const foreign = await getToken(app, agent, resource);
  const narrow = new Map<Scope, string>();
  for (const scope of SCOPES) narrow.set(scope, await adminToken(app, scope));

  for (const [method, path, needed] of routes(ids)) {
    const name = `${method} ${path}`;
    const body = method === 'GET' ? undefined : {};
    const nobody = await call(app, method, path, { body });
    t.is(nobody.status, 401, name);
    t.regex(nobody.headers.get('www-authenticate') ?? '', /^Bearer/, name);
    for (const token of [foreign, 'garbage', `cs_at_${'A'.repeat(48)}`]) {
      t.is((await call(app, method, path, { token, body })).status, 401, name);
    }
    for (const scope of SCOPES.filter(each => each !== needed)) {
      const answer = await call(app, method, path, { token: narrow.get(scope), body });
      t.is(answer.status, 403, `${name} with ${scope}`);
      t.regex(
        answer.headers.get('www-authenticate') ?? '',
        new RegExp(`insufficient_scope.*scope="${needed}"`),
        name,
      );
    }
    // Opened by the right scope: whatever the answer is, it is no longer about authority. Nothing is sent that would change it.
    const opened = await call(app, method, path, {
      token: narrow.get(needed),
      body: method === 'GET' ? undefined : 'no JSON',
      headers: { 'Content-Type': 'application/json' },
    });
    t.false([401, 403].includes(opened.status), `${name}: ${opened.status}`);
  }
});

onEachStore('R110: revoked, expired and killed administrators are out at once', async (t, store) => {
  const { app } = await world(t, { env: store });
  const token = await adminToken(app, 'read');
  t.is((await call(app, 'GET', '/agents', { token })).status, 200);
  await app.post('/revoke', { token }, { basic: [app.admin.clientId, app.admin.secret] });
  t.is((await call(app, 'GET', '/agents', { token })).status, 401);
  t.is((await call(app, 'GET', `/agents?access_token=${await adminToken(app)}`)).status, 400);
});

whateverTheStore(
  'R112: a field that is not for the caller to set is refused, and nothing is stored',
  async (t, store) => {
    const { app, owner, resource, agent } = await world(t, { env: store });
    const token = await adminToken(app);
    const input = {
      name: 'New',
      ownerId: owner.id,
      envelope: [{ resource: resource.identifier, scopes: ['read'] }],
      credential: { method: 'client_secret' },
    };
    const before = (await call(app, 'GET', '/agents', { token })).json.items.length;
    const extras = [
      'role',
      'secretHash',
      'disabled',
      'status',
      'epoch',
      'version',
      '_id',
      '__v',
      'createdAt',
      'isAdmin',
    ];
    for (const extra of extras) {
      const answer = await call(app, 'POST', '/agents', { token, body: { ...input, [extra]: 'x' } });
      t.is(answer.status, 400, extra);
      t.true(answer.text.includes(extra), answer.text);
      const patch = await call(app, 'PATCH', `/agents/${agent.id}`, {
        token,
        body: { [extra]: 'x' },
        headers: { 'If-Match': '"1"' },
      });
      t.is(patch.status, 400, extra);
    }
    const secret = { ...input, credential: { method: 'client_secret', secretDigests: ['x'] } };
    t.is((await call(app, 'POST', '/agents', { token, body: secret })).status, 400);
    t.is((await call(app, 'GET', '/agents', { token })).json.items.length, before);
    t.is((await call(app, 'POST', '/agents', { token, body: input })).status, 201);
  },
);

onEachStore(
  'R113: operators in queries, paths and bodies are refused and never reach the store',
  async (t, store) => {
    const { app, owner, resource } = await world(t, { env: store });
    const token = await adminToken(app);
    const queries = [
      'after[$ne]=',
      'limit[$gt]=1',
      '$where=sleep(1000)',
      'limit=0',
      'limit=-1',
      'limit=1e3',
      'limit=201',
      'limit=1&limit=2',
      'after=%00',
      `after=${'a'.repeat(5_000)}`,
      'filter=(a%2B)%2B%24',
      'sort=owner',
      'namePrefix[$regex]=(a%2B)%2B%24',
      'ownerId[$ne]=x',
      'status=$ne',
      'lastUsedBefore[$gt]=0',
    ];
    for (const query of queries)
      t.is((await call(app, 'GET', `/agents?${query}`, { token })).status, 400, query);
    for (const id of [
      '$ne',
      '%7B%22$gt%22:%22%22%7D',
      '..%2F..%2Fkeys',
      'agt_',
      'AGT_1',
      `agt_${'g'.repeat(32)}`,
    ]) {
      const answer = await call(app, 'GET', `/agents/${id}`, { token });
      t.true(answer.status === 404 || answer.status === 400, `${id}: ${answer.status}`);
    }
    const operators = [{ $gt: '' }, { $ne: null }, ['x'], 1, true, null];
    for (const value of operators) {
      for (const field of ['name', 'ownerId', 'defaultResource']) {
        const body = {
          name: 'New',
          ownerId: owner.id,
          envelope: [{ resource: resource.identifier, scopes: ['read'] }],
          credential: { method: 'client_secret' },
          [field]: value,
        };
        t.is(
          (await call(app, 'POST', '/agents', { token, body })).status,
          400,
          `${field}: ${JSON.stringify(value)}`,
        );
      }
    }
  },
);

test('R114: __proto__ and constructor.prototype in JSON, forms and queries are refused and pollute nothing', async t => {
  const { app, agent, resource } = await world(t);
  const token = await adminToken(app);
  for (const body of [
    '{"__proto__":{"polluted":true},"name":"x"}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"envelope":[{"__proto__":{"polluted":true}}]}',
  ]) {
    t.is((await call(app, 'POST', '/agents', { token, body })).status, 400, body);
  }
  t.is((await call(app, 'GET', '/agents?__proto__[polluted]=1', { token })).status, 400);
  const form = `grant_type=client_credentials&resource=${encodeURIComponent(resource.identifier)}&__proto__=x&constructor=y`;
  t.is((await app.post('/token', form, { basic: agent.basic })).status, 200);
  t.is((Object.prototype as Record<string, unknown>)['polluted'], undefined);
});

test('RFC 8259 4: a member that is there twice in a body is refused, however it is spelt and wherever it stands', async t => {
  const { app, owner, resource, agent } = await world(t);
  const token = await adminToken(app);
  const envelope = `[{"resource":"${resource.identifier}","scopes":["read"]}]`;
  const rest = `"ownerId":"${owner.id}","envelope":${envelope},"credential":{"method":"client_secret"}`;
  const before = (await call(app, 'GET', '/agents', { token })).json.items.length;
  for (const body of [
    `{"name":"One","name":"Two",${rest}}`,
    `{"name":"One","n\\u0061me":"One",${rest}}`,
    `{"name":"\\"},{\\\\","name":"Two",${rest}}`,
    `{"name":"One",${rest.replace('"scopes"', '"scopes":["write"],"scopes"')}}`,
    `{"name":"One",${rest.replace('"method"', '"method":"none","method"')}}`,
    `{"name":"One",${rest},"baseline":[],"baseline":${envelope}}`,
  ]) {
    const answer = await call(app, 'POST', '/agents', { token, body });
    t.is(answer.status, 400, body);
    t.regex(answer.json.type, /#json-member-repeated$/, body);
  }
  const patch = { token, body: '{"name":"One","name":"Two"}', headers: { 'If-Match': '"1"' } };
  t.is((await call(app, 'PATCH', `/agents/${agent.id}`, patch)).status, 400);
  t.is(
    (await call(app, 'POST', `/agents/${agent.id}/kill`, { token, body: '{"reason":"a","reason":"b"}' }))
      .status,
    400,
  );
  t.is((await call(app, 'GET', `/agents/${agent.id}`, { token })).json.status, 'active');
  t.is((await call(app, 'GET', '/agents', { token })).json.items.length, before);
  const alike = `{"name":"name","purpose":"{\\"name\\":1,\\"name\\":2}",${rest},"baseline":${envelope}}`;
  t.is((await call(app, 'POST', '/agents', { token, body: alike })).status, 201);

  for (const [text, repeated] of [
    ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}', undefined],
    ['[["a","a"],"a",{"":0," ":0}]', undefined],
    ['{"a":"a","b":"a"}', undefined],
    ['{"__proto__":1,"a":{"__proto__":1}}', undefined],
    ['{"a":[],"a":1}', 'a'],
    ['[1,{"b":{},"a":{"c":0},"b":1}]', 'b'],
    ['{"":1,"":2}', ''],
    ['{"\\ud83d\\ude00":1,"\u{1f600}":2}', '\u{1f600}'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ] as const)
    t.is(repeatedMember(text), repeated, text);
});

test('a call that takes no body is refused with one, also to read', async t => {
  const { app, agent } = await world(t);
  const token = await adminToken(app);
  const send = (method: string, path: string, type: string, body: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        Authorization: `Bearer ${token}`,
        'Content-Type': type,
        'Content-Length': body.length,
      };
      const sent = request(`${app.base}/api/v1${path}`, { method, headers }, answer => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode));
      });
      sent.once('error', reject);
      sent.end(body);
    });
  for (const [method, path] of [
    ['GET', `/agents/${agent.id}`],
    ['POST', `/agents/${agent.id}/retire`],
    ['POST', `/agents/${agent.id}/restore`],
  ] as const) {
    for (const body of ['{"reason":"x"}', '[]', 'null', '0', ' ', 'x'])
      t.is(await send(method, path, 'application/json', body), 400, `${method} ${path} ${body}`);
    t.is(await send(method, path, 'text/plain', 'x'), 415, path);
    t.is(await send(method, path, 'application/json', ''), 200, `${method} ${path}`);
    t.is(await send('POST', `/agents/${agent.id}/kill`, 'application/json', ''), 200);
    if (method === 'POST') break;
  }
});

onEachStore(
  'a kill says why, and the trail keeps it: of an agent, a person, a resource server and a signing key',
  async (t, store) => {
    const { app, owner, resource, agent } = await world(t, { env: store });
    const token = await adminToken(app);
    const [key] = (await call(app, 'GET', '/keys', { token })).json.items;
    const reason = 'Sends mail that nobody asked for';
    const targets = [
      [`/agents/${agent.id}`, 'agent.killed', agent.id],
      [`/people/${owner.id}`, 'person.killed', owner.id],
      [`/resources/${resource.id}`, 'resource.killed', resource.id],
      [`/keys/${key.id}`, 'key.killed', key.id],
    ] as const;
    for (const [path, type, id] of targets) {
      for (const wrong of ['', 'a\u202eb', 'x'.repeat(501), 7, ['x']]) {
        const answer = await call(app, 'POST', `${path}/kill`, { token, body: { reason: wrong } });
        t.is(answer.status, 400, `${path} ${wrong}`);
      }
      t.is((await call(app, 'POST', `${path}/kill`, { token, body: { reason } })).status, 200, path);
      const row = (await app.trail()).find(event => event.type === type && event.target === id);
      t.is(row?.detail?.['reason'], reason, path);
    }
    const kills = (await call(app, 'GET', '/kills', { token })).json.items;
    t.deepEqual(
      kills.map((kill: { reason?: string }) => kill.reason),
      targets.map(() => reason),
    );
    const another = await addAgent(app, await addPerson(app), await addResource(app));
    const leaked = `it had ${token}`;
    await call(app, 'POST', `/agents/${another.id}/kill`, { token, body: { reason: leaked } });
    const kept = (await app.trail()).find(
      event => event.target === another.id && event.type === 'agent.killed',
    );
    t.regex(String(kept?.detail?.['reason']), /^it had /);
    t.false(String(kept?.detail?.['reason']).includes(token));
    const silent = await addAgent(app, await addPerson(app), await addResource(app));
    t.is((await call(app, 'POST', `/agents/${silent.id}/kill`, { token })).json.status, 'suspended');
    t.is(
      (await call(app, 'POST', `/agents/${another.id}/kill`, { token, body: {} })).json.status,
      'suspended',
    );
  },
);

whateverTheStore('R115: a secret is shown when it is made, and never again', async (t, store) => {
  const { app, owner, resource } = await world(t, { env: store });
  const token = await adminToken(app);
  const body = {
    name: 'New',
    ownerId: owner.id,
    envelope: [{ resource: resource.identifier, scopes: ['read'] }],
    baseline: [{ resource: resource.identifier, scopes: ['read'] }],
    defaultResource: resource.identifier,
    credential: { method: 'client_secret' },
  };
  const made = await call(app, 'POST', '/agents', { token, body });
  t.is(made.status, 201);
  const { id, secret } = made.json;
  t.regex(secret, /^[A-Za-z0-9_-]{43}$/);
  t.is(made.headers.get('cache-control'), 'no-store');
  const second = await call(app, 'POST', `/agents/${id}/secrets`, { token });
  t.is(second.status, 201);
  for (const value of [secret, second.json.secret]) {
    t.is(
      (await app.post('/token', { grant_type: 'client_credentials' }, { basic: [id, value] })).status,
      200,
    );
  }
  const paths = [
    '/agents',
    `/agents/${id}`,
    '/resources',
    `/resources/${resource.id}`,
    '/people',
    '/keys',
    '/audit?limit=200',
  ];
  for (const path of paths) {
    const { status, text } = await call(app, 'GET', path, { token });
    t.is(status, 200, path);
    for (const value of [secret, second.json.secret, resource.secret, app.admin.secret])
      t.false(text.includes(value), path);
    t.notRegex(text, /secretDigests|sealedPrivateKey|"d":/, path);
  }
});

test('R116: a browser on another site can do nothing', async t => {
  const { app, agent } = await world(t);
  const token = await adminToken(app);
  const headers = { Origin: 'https://evil.example' };
  const answer = await call(app, 'POST', `/agents/${agent.id}/kill`, { token, headers });
  t.is(answer.status, 403);
  t.is(answer.headers.get('access-control-allow-origin'), null);
  t.is((await call(app, 'GET', `/agents/${agent.id}`, { token })).json.status, 'active');
});

whateverTheStore(
  'a change names the version it was made to; narrowing ends the tokens that are out',
  async (t, store) => {
    const { app, resource, agent } = await world(t, { env: store });
    const token = await adminToken(app);
    const path = `/agents/${agent.id}`;
    const held = await getToken(app, agent, resource);
    const active = async () =>
      (await app.post('/introspect', { token: held }, { basic: [resource.id, resource.secret] })).json.active;

    t.is((await call(app, 'PATCH', path, { token, body: { name: 'Renamed' } })).status, 428);
    const stale = { 'If-Match': '"7"' };
    t.is((await call(app, 'PATCH', path, { token, body: { name: 'Renamed' }, headers: stale })).status, 412);
    const renamed = await call(app, 'PATCH', path, {
      token,
      body: { name: 'Renamed' },
      headers: { 'If-Match': '"1"' },
    });
    t.is(renamed.status, 200, renamed.text);
    t.is(renamed.headers.get('etag'), '"2"');
    t.true(await active());

    const narrowed = await call(app, 'PATCH', path, {
      token,
      body: { baseline: [] },
      headers: { 'If-Match': '"2"' },
    });
    t.is(narrowed.status, 200, narrowed.text);
    t.false(await active());
  },
);

onEachStore('I1: of 20 changes made to one version at the same moment, one is kept', async (t, store) => {
  const { app, agent } = await world(t, { env: store });
  const token = await adminToken(app);
  const path = `/agents/${agent.id}`;
  const headers = { 'If-Match': '"1"' };
  const names = Array.from({ length: 20 }, (_, index) => `Racer ${index}`);
  const answers = await Promise.all(
    names.map(name => call(app, 'PATCH', path, { token, body: { name }, headers })),
  );
  const winners = names.filter((_, index) => answers[index]?.status === 200);
  t.is(winners.length, 1);
  t.is(answers.filter(answer => answer.status === 412).length, 19);
  const { json } = await call(app, 'GET', path, { token });
  t.is(json.name, winners[0]);
  t.is(json.version, 2);
  t.is((await app.trail()).filter(event => event.type === 'agent.updated').length, 1);
});

onEachStore(
  'I1: of 20 that ask for one identifier or address at the same moment, one gets it',
  async (t, store) => {
    const { app } = await world(t, { env: store });
    const token = await adminToken(app);
    const created = async () =>
      (await app.trail()).filter(event => /^(person|resource)\.created$/.test(event.type));
    const before = (await created()).length;
    const resource = {
      name: 'Contested',
      scopes: [{ name: 'read', sentence: 'Read orders', risk: 'low' }],
      tokenFormat: { kind: 'opaque' },
      accessTokenTtlSeconds: 300,
      credential: { method: 'client_secret' },
    };
    const racers = Array.from({ length: 20 }, (_, index) => index % 2 === 0);
    const asked = {
      '/resources': racers.map(even => ({
        ...resource,
        identifier: `https://contested.example/mcp${even ? '' : '/'}`,
      })),
      '/people': racers.map(even => ({
        name: 'Ada',
        roles: ['member'],
        email: even ? 'ada@example.org' : 'Ada@Example.org',
      })),
    };
    for (const [path, bodies] of Object.entries(asked)) {
      const answers = await Promise.all(bodies.map(body => call(app, 'POST', path, { token, body })));
      t.is(answers.filter(answer => answer.status === 201).length, 1, path);
      t.is(answers.filter(answer => answer.status === 409).length, 19, path);
    }
    // Each loser left nothing in the trail either: its row would have come in the commit that did not happen.
    t.is((await created()).length, before + 2);
  },
);

onEachStore(
  'kill closes and restore opens; what died stays dead; a retired agent stays retired',
  async (t, store) => {
    const { app, resource, agent } = await world(t, { env: store });
    const token = await adminToken(app);
    const path = `/agents/${agent.id}`;
    const held = await getToken(app, agent, resource);
    const active = async () =>
      (await app.post('/introspect', { token: held }, { basic: [resource.id, resource.secret] })).json.active;

    t.is((await call(app, 'POST', `${path}/kill`, { token })).json.status, 'suspended');
    t.is((await call(app, 'POST', `${path}/kill`, { token })).json.status, 'suspended');
    t.false(await active());
    t.is((await call(app, 'POST', `${path}/restore`, { token })).json.status, 'active');
    t.false(await active());
    const fresh = await getToken(app, agent, resource);
    t.true(
      (await app.post('/introspect', { token: fresh }, { basic: [resource.id, resource.secret] })).json
        .active,
    );

    t.is((await call(app, 'POST', `${path}/retire`, { token })).json.status, 'retired');
    t.is((await call(app, 'POST', `${path}/restore`, { token })).status, 409);
    const types = (await app.trail()).map(event => event.type);
    t.is(types.filter(type => type === 'agent.killed').length, 1);
  },
);

onEachStore('a killed resource server takes its tokens along, and may not ask any more', async (t, store) => {
  const { app, resource, agent } = await world(t, { env: store });
  const token = await adminToken(app);
  const held = await getToken(app, agent, resource);
  t.is((await call(app, 'POST', `/resources/${resource.id}/kill`, { token })).json.status, 'disabled');
  t.is(
    (await app.post('/introspect', { token: held }, { basic: [resource.id, resource.secret] })).status,
    401,
  );
  t.is((await call(app, 'POST', `/resources/${resource.id}/restore`, { token })).json.status, 'active');
  t.false(
    (await app.post('/introspect', { token: held }, { basic: [resource.id, resource.secret] })).json.active,
  );
});

test('our own API cannot be killed through itself', async t => {
  const { app } = await world(t);
  const token = await adminToken(app);
  const own = `/resources/res_${'0'.repeat(32)}`;
  for (const verb of ['kill', 'restore', 'secrets']) {
    const answer = await call(app, 'POST', `${own}/${verb}`, { token });
    t.is(answer.status, 409, verb);
    t.regex(answer.json.type, /#record-protected$/);
  }
});

onEachStore(
  'the person behind the bootstrap client cannot be killed, until somebody has enrolled as them',
  async (t, store) => {
    const { app, owner } = await world(t, { env: store });
    const token = await adminToken(app, 'kill');
    const builtIn = `/people/${BOOTSTRAP_OPERATOR_ID}/kill`;
    const refused = await call(app, 'POST', builtIn, { token });
    t.is(refused.status, 409);
    t.regex(refused.json.type, /#record-protected$/);
    const [row] = (await app.trail()).slice(-1);
    t.like(row, { type: 'admin.refused', reason: 'record-protected' });
    t.is((await app.store.findPerson(BOOTSTRAP_OPERATOR_ID))?.status, 'active');
    t.truthy(await adminToken(app), 'nothing of what rests on it ended');
    t.is((await call(app, 'POST', `/people/${owner.id}/kill`, { token })).status, 200);

    const record = credentialRecord(BOOTSTRAP_OPERATOR_ID);
    const changes = [{ kind: 'insert', collection: 'person-credential', record }] as const;
    t.true((await app.store.commit({ changes, events: [], authority: { none: 'boot' } })).committed);
    t.is((await call(app, 'POST', builtIn, { token })).json.status, 'disabled');
    t.falsy(await adminToken(app));
  },
);

test('the bootstrap client may be killed and retired, as its secret may be stolen', async t => {
  const { app } = await world(t);
  const token = await adminToken(app);
  t.is((await call(app, 'POST', `/agents/${app.admin.clientId}/retire`, { token })).json.status, 'retired');
  t.falsy(await adminToken(app));
});

onEachStore('lists come in pages that hold each record once', async (t, store) => {
  const { app, owner, resource } = await world(t, { env: store });
  for (let index = 0; index < 7; index += 1) await addAgent(app, owner, resource);
  const token = await adminToken(app);
  const seen: string[] = [];
  let after = '';
  do {
    const page = await call(app, 'GET', `/agents?limit=3${after && `&after=${after}`}`, { token });
    t.true(page.json.items.length <= 3);
    seen.push(...page.json.items.map((item: { id: string }) => item.id));
    after = page.json.next ?? '';
  } while (after !== '');
  t.is(seen.length, 9);
  t.is(new Set(seen).size, 9);
});

test('an unknown route of the API is a problem that names it', async t => {
  const { app } = await world(t);
  const answer = await call(app, 'GET', '/unheard-of', { token: await adminToken(app) });
  t.is(answer.status, 404);
  t.is(answer.headers.get('content-type'), 'application/problem+json');
  t.truthy(answer.headers.get('error-ref'));
});
