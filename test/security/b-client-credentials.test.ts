/** Group B: client credentials, scope, resource. */
import test from 'ava';
import { createAgent } from '../../src/agents/index.ts';
import {
  type App,
  type AppOptions,
  addAgent,
  addPerson,
  addResource,
  heldClock,
  introspect,
  startApp,
} from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';

async function world(t: Parameters<typeof startApp>[0], options: AppOptions = {}) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const other = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const ask = (form: Record<string, string | readonly string[] | undefined>) =>
    app.post('/token', { grant_type: 'client_credentials', ...form }, { basic: agent.basic });
  return { app, owner, resource, other, agent, ask };
}

const refusedFor = async (app: App) =>
  (await app.trail()).filter(event => event.type === 'token.issue-refused').map(event => event.reason);

whateverTheStore(
  'R011: a scope beyond the envelope is refused by name, and no token comes of it',
  async (t, store) => {
    const { app, resource, agent, ask } = await world(t, { env: store });
    const answer = await ask({ resource: resource.identifier, scope: 'read delete unheard-of' });
    t.is(answer.status, 400);
    t.is(answer.json.error, 'invalid_scope');
    t.is(answer.json.access_token, undefined);
    t.regex(answer.json.error_description, /sent: unheard-of;/);
    t.regex(answer.json.error_description, /permitted: read \| write/);
    t.regex(answer.json.error_uri, /^http/);
    const beyond = await ask({ resource: resource.identifier, scope: 'read delete' });
    t.regex(beyond.json.error_description, /sent: delete;/);
    t.deepEqual(await app.store.listTokens(agent.id, 10), []);
    t.deepEqual(await refusedFor(app), ['scope-unknown', 'scope-beyond-envelope']);
    t.is((await ask({ resource: resource.identifier, scope: 'read' })).status, 200);
  },
);

test('a scope between baseline and envelope is invalid_scope too, and the trail says that it needs approval', async t => {
  const { app, resource, ask } = await world(t);
  const answer = await ask({ resource: resource.identifier, scope: 'read write' });
  t.is(answer.status, 400);
  t.is(answer.json.error, 'invalid_scope');
  t.regex(
    answer.json.error_description,
    /countersignature.*sent: write; permitted: read; .*completion_mode=deferred/,
  );
  t.deepEqual(await refusedFor(app), ['needs-approval']);
});

test('a refusal of what is in the envelope alone says what to do: countersign, or the baseline', async t => {
  const { app, owner, resource } = await world(t);
  const bare = await addAgent(app, owner, resource, { baseline: [] });
  const form = { grant_type: 'client_credentials', resource: resource.identifier, scope: 'read' };
  const asked = await app.post('/token', form, { basic: bare.basic });
  t.regex(asked.json.error_description, /permitted: nothing; .*an administrator can add it to .*baseline/);
  const { scope: _, ...unnamed } = form;
  const none = await app.post('/token', unnamed, { basic: bare.basic });
  t.regex(
    none.json.error_description,
    /within its envelope: read \| write, if a person countersigns it .*baseline/,
  );

  // No request for a JWT waits.
  const offline = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
  const agent = await addAgent(app, owner, offline);
  const ask = { ...form, resource: offline.identifier, scope: 'write' };
  const { json } = await app.post('/token', ask, { basic: agent.basic });
  t.regex(json.error_description, /an administrator can add it to .*baseline/);
  t.notRegex(json.error_description, /completion_mode/);
});

test('no scope asked means the baseline, which the answer names', async t => {
  const { resource, ask } = await world(t);
  t.is((await ask({ resource: resource.identifier })).json.scope, 'read');
});

test('no scope asked where there is no baseline is invalid_scope', async t => {
  const { app, owner, resource } = await world(t);
  const agent = await addAgent(app, owner, resource, { baseline: [] });
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const answer = await app.post('/token', form, { basic: agent.basic });
  t.is(answer.json.error, 'invalid_scope');
});

whateverTheStore(
  'R012: without a resource the default one is meant; without a default the request is invalid_target',
  async (t, store) => {
    const { app, owner, resource, ask } = await world(t, { env: store });
    const answer = await ask({});
    t.is(answer.status, 400);
    t.is(answer.json.error, 'invalid_target');
    t.regex(answer.json.error_description, new RegExp(`permitted: ${resource.identifier}`));
    t.deepEqual(await refusedFor(app), ['resource-missing']);

    const withDefault = await addAgent(app, owner, resource, { defaultResource: resource.identifier });
    const token = await app.post(
      '/token',
      { grant_type: 'client_credentials' },
      { basic: withDefault.basic },
    );
    t.is(token.status, 200);
    t.is((await introspect(app, resource, token.json.access_token)).json.aud, resource.identifier);
  },
);

whateverTheStore(
  'R013: an unknown, foreign, relative or fragment resource is invalid_target, all alike',
  async (t, store) => {
    const { app, resource, other, ask } = await world(t, { env: store });
    const named = [
      'https://unknown.example/mcp',
      other.identifier,
      '/mcp',
      `${resource.identifier}#part`,
      `${resource.identifier}//`,
      `${resource.identifier}?x=1`,
      resource.identifier.toUpperCase(),
      resource.identifier.replace('.example', '.example:8443'),
      resource.identifier.replace('https', 'http'),
      resource.identifier.replace('https://', 'https://x@'),
      resource.identifier.replace('.example', '%2Eexample'),
      'javascript:alert(1)',
      `${app.issuer}/api`,
    ];
    for (const value of named) {
      const answer = await ask({ resource: value });
      t.is(answer.status, 400, value);
      t.is(answer.json.error, 'invalid_target', value);
      t.true(answer.json.error_description.includes(`permitted: ${resource.identifier}`), value);
    }
    t.deepEqual([...new Set(await refusedFor(app))], ['resource-not-permitted']);
  },
);

whateverTheStore(
  'RFC 3986 6.2.2, 6.2.3: a slash more or less, capitals in scheme and host, and the default port name the same resource, once or twice; the audience is the registered spelling',
  async (t, store) => {
    const { app, resource, ask } = await world(t, { env: store });
    const { identifier } = resource;
    const inCapitals = `${identifier.slice(0, -3).toUpperCase()}mcp`;
    const withPort = identifier.replace('.example', '.EXAMPLE:443');
    for (const named of [
      `${identifier}/`,
      inCapitals,
      `${inCapitals}/`,
      withPort,
      [identifier, identifier],
      [identifier, withPort, `${identifier}/`],
    ]) {
      const answer = await ask({ resource: named });
      t.is(answer.status, 200, answer.text);
      t.is((await introspect(app, resource, answer.json.access_token)).json.aud, identifier);
    }
  },
);

test('R014: two resources are refused: a token has one audience', async t => {
  const { resource, other, ask } = await world(t);
  for (const values of [
    [resource.identifier, other.identifier],
    [resource.identifier, resource.identifier, other.identifier],
  ]) {
    const answer = await ask({ resource: values });
    t.is(answer.status, 400);
    t.is(answer.json.error, 'invalid_target');
  }
});

whateverTheStore(
  'R015: a token lives 300 s by default, and never longer than its agent',
  async (t, store) => {
    const { app, owner, resource, ask } = await world(t, { env: store });
    t.is((await ask({ resource: resource.identifier })).json.expires_in, 300);

    const expiring = await addAgent(app, owner, resource, {
      expiresAt: new Date(app.now() + 60_000).toISOString(),
    });
    const form = { grant_type: 'client_credentials', resource: resource.identifier };
    const token = await app.post('/token', form, { basic: expiring.basic });
    // Instants in a token are whole seconds: part of one is lost.
    t.true(token.json.expires_in === 60 || token.json.expires_in === 59, token.text);

    const capped = await addAgent(app, owner, resource, { accessTokenTtlSeconds: 45 });
    t.is((await app.post('/token', form, { basic: capped.basic })).json.expires_in, 45);
    const brief = await addResource(app, { accessTokenTtlSeconds: 120 });
    const visitor = await addAgent(app, owner, brief);
    const visit = { grant_type: 'client_credentials', resource: brief.identifier };
    t.is((await app.post('/token', visit, { basic: visitor.basic })).json.expires_in, 120);
  },
);

whateverTheStore(
  'an agent whose end has come proves nothing any more, and what it holds is dead',
  async (t, store) => {
    const clock = heldClock();
    const app = await startApp(t, { env: store, clock });
    const owner = await addPerson(app);
    const resource = await addResource(app);
    const agent = await addAgent(app, owner, resource, {
      expiresAt: new Date(app.now() + 60_000).toISOString(),
    });
    const form = { grant_type: 'client_credentials', resource: resource.identifier };
    const token = (await app.post('/token', form, { basic: agent.basic })).json.access_token;
    t.true((await introspect(app, resource, token)).json.active);

    clock.pass(61_000);
    t.is((await introspect(app, resource, token)).text, '{"active":false}');
    t.is((await app.post('/token', form, { basic: agent.basic })).status, 401);
  },
);

test('R024: other grant types are not supported, and a resource server gets no tokens', async t => {
  const { app, resource, ask } = await world(t);
  for (const grant_type of ['password', 'implicit', 'urn:unheard-of']) {
    const answer = await ask({ grant_type, resource: resource.identifier, username: 'a', password: 'b' });
    t.is(answer.status, 400, grant_type);
    t.is(answer.json.error, 'unsupported_grant_type', grant_type);
  }
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const asResource = await app.post('/token', form, { basic: [resource.id, resource.secret] });
  t.is(asResource.json.error, 'unauthorized_client');
});

test('I8: a parameter sent twice, another media type, and a body without a grant type are refused', async t => {
  const { app, resource, agent } = await world(t);
  const { basic } = agent;
  const form = `grant_type=client_credentials&resource=${encodeURIComponent(resource.identifier)}`;
  t.is((await app.post('/token', `${form}&scope=read&scope=read`, { basic })).json.error, 'invalid_request');
  t.is(
    (await app.post('/token', `${form}&grant_type=client_credentials`, { basic })).json.error,
    'invalid_request',
  );
  const json = { basic, headers: { 'Content-Type': 'application/json' } };
  t.is((await app.post('/token', '{"grant_type":"client_credentials"}', json)).status, 415);
  t.is((await app.post('/token', 'scope=read', { basic })).json.error, 'invalid_request');
  t.is((await app.post('/token', form, { basic })).status, 200);
});

whateverTheStore('I2: an owner who is disabled takes the agent along', async (t, store) => {
  const { app, owner, resource, ask } = await world(t, { env: store });
  const token = (await ask({ resource: resource.identifier })).json.access_token;
  const { killPerson } = await import('../../src/people/index.ts');
  await killPerson(
    { people: app.store, credentials: app.store, freshness: app.store },
    owner.id,
    app.origin(),
  );
  t.is((await introspect(app, resource, token)).text, '{"active":false}');
  t.is((await ask({ resource: resource.identifier })).json.error, 'invalid_client');
});

test('an agent cannot be registered with a baseline beyond its envelope', async t => {
  const { app, owner, resource } = await world(t);
  const input = {
    name: 'Too much',
    ownerId: owner.id,
    envelope: [{ resource: resource.identifier, scopes: ['read'] }],
    baseline: [{ resource: resource.identifier, scopes: ['read', 'delete'] }],
    credential: { method: 'client_secret' },
  };
  const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
  await t.throwsAsync(createAgent(deps, input, app.origin()), { message: 'baseline-beyond-envelope' });
});
