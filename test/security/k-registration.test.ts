/** Group K: applications that make themselves known, by a document of theirs or by registering themselves. */
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { createAgent, killAgent } from '../../src/agents/index.ts';
import { ssrfUrls } from '../egress/ssrf-corpus.ts';
import { type KeyHost, startKeyHost } from '../support/key-host.ts';
import {
  type App,
  type AppOptions,
  addPerson,
  addResource,
  heldClock,
  startApp,
} from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';
import { enrol, Visitor } from '../support/visitor.ts';

const REDIRECT = 'https://editor.example/callback';

interface World {
  readonly app: App;
  readonly host: KeyHost;
  readonly resource: Awaited<ReturnType<typeof addResource>>;
  readonly template: { readonly id: string };
  pass(ms: number): void;
}

async function startWorld(
  t: ExecutionContext,
  application: Record<string, unknown>,
  options: AppOptions = {},
): Promise<World> {
  const clock = heldClock();
  const host = await startKeyHost(t, { status: 503 });
  const app = await startApp(t, {
    ...options,
    clock,
    env: { ...host.env, ...options.env },
  });
  const resource = await addResource(app);
  const list = [{ resource: resource.identifier, scopes: ['read'] }];
  const { agent: template } = await createAgent(
    { agents: app.store, people: app.store, resources: app.store, freshness: app.store },
    {
      name: 'Whatever people use',
      ownerId: (await addPerson(app, 'Olga')).id,
      envelope: list,
      baseline: list,
      application,
      credential: { method: 'none' },
    },
    app.origin(),
  );
  return {
    app,
    host,
    resource,
    template,
    pass: clock.pass,
  };
}

const published = (document: unknown) =>
  ({ document, headers: { 'Content-Type': 'application/json' } }) as const;
const documentOf = (host: KeyHost, more: object = {}) => ({
  client_id: host.uri,
  client_name: 'Editor',
  redirect_uris: [REDIRECT],
  ...more,
});

/** Where a browser is sent that comes with this client: to a person, or nowhere. */
async function authorize({ app, resource }: World, clientId: string, redirectUri = REDIRECT) {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    code_challenge: 'c'.repeat(43),
    code_challenge_method: 'S256',
    resource: resource.identifier,
    scope: 'read',
  });
  const response = await fetch(`${app.base}/authorize?${query}`, { redirect: 'manual' });
  const text = await response.text();
  return { status: response.status, location: response.headers.get('location'), text };
}

const reasons = async (app: App, type: string) =>
  (await app.trail()).filter(event => event.type === type).map(({ reason }) => reason);

async function register(app: App, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${app.base}/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  const json: any = text.startsWith('{') ? JSON.parse(text) : undefined;
  return { status: response.status, headers: response.headers, json };
}

test('S58, S59, S63: a document that is fit brings its application to people, who are told where it comes from', async t => {
  const world = await startWorld(t, { metadataHosts: ['localhost'] });
  const { app, host } = world;
  host.answer = published(documentOf(host, { scope: 'read', unknown_member: 1 }));
  const sent = await authorize(world, host.uri);
  t.is(sent.status, 303);
  const visitor = new Visitor(app);
  await enrol(app, visitor);
  const query = new URL(`${app.issuer}/authorize`);
  query.search = String(
    new URLSearchParams({
      client_id: host.uri,
      redirect_uri: REDIRECT,
      response_type: 'code',
      code_challenge: 'c'.repeat(43),
      code_challenge_method: 'S256',
      resource: world.resource.identifier,
    }),
  );
  const page = await visitor.get((await visitor.get(query.href)).location ?? '');
  t.is(page.status, 200);
  t.true(page.text.includes('Let Editor act for you?'));
  t.true(page.text.includes(`It is what ${new URL(host.uri).host} says it is`));
  t.true(page.text.includes('editor.example'));
  t.is(host.asked(), 1, 'one document, asked for once');
});

test('R103: a document that is not fit is refused, says why in the trail alone, and is not kept', async t => {
  const world = await startWorld(t, { metadataHosts: ['localhost'] });
  const { app, host } = world;
  const good = documentOf(host);
  const bad: readonly (readonly [KeyHost['answer'], string])[] = [
    [{ status: 302 }, 'egress-status-not-ok'],
    [{ status: 404 }, 'egress-status-not-ok'],
    [published({ ...good, padding: 'x'.repeat(5_120) }), 'egress-document-too-large'],
    [{ document: good, headers: { 'Content-Type': 'text/html' } }, 'egress-content-type-wrong'],
    [published('{'), 'document-malformed'],
    [published([good]), 'document-malformed'],
    [published({ ...good, client_name: undefined }), 'document-malformed'],
    [published({ ...good, client_name: 'Ed\u202Eitor' }), 'document-malformed'],
    [published(`{"client_name":"Another",${JSON.stringify(good).slice(1)}`), 'document-malformed'],
    [published(`{"__proto__":{"x":1},${JSON.stringify(good).slice(1)}`), 'document-malformed'],
    [published({ ...good, client_id: `${host.uri}/` }), 'document-of-another-client'],
    [published({ ...good, client_secret: 'x' }), 'document-has-secret'],
    [published({ ...good, token_endpoint_auth_method: 'client_secret_basic' }), 'document-has-secret'],
    [published({ ...good, token_endpoint_auth_method: 'client_secret_jwt' }), 'document-has-secret'],
    [published({ ...good, grant_types: ['client_credentials'] }), 'document-grant-not-served'],
    [published({ ...good, response_types: ['token'] }), 'document-grant-not-served'],
    [published({ ...good, token_endpoint_auth_method: 'private_key_jwt' }), 'document-keys-not-fit'],
    [
      published({
        ...good,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks_uri: 'http://localhost/jwks',
      }),
      'document-keys-not-fit',
    ],
    // R102
    ...[
      'javascript:alert(1)',
      'data:text/html,x',
      'http://editor.example/callback',
      'https://editor.example/*',
      'https://editor.example/callback#x',
      'https://user@editor.example/callback',
    ].map(
      uri => [published({ ...good, redirect_uris: [uri] }), 'document-redirect-uri-not-permitted'] as const,
    ),
  ];
  const pages = new Set<string>();
  for (const [answer, reason] of bad) {
    host.answer = answer;
    const refused = await authorize(world, host.uri);
    t.is(refused.status, 400, reason);
    t.is(refused.location, null, reason);
    pages.add(refused.text.replace(/Reference: [\w-]+/, ''));
    world.pass(61_000);
  }
  t.is(pages.size, 1, 'whatever was wrong, the page is the same');
  t.deepEqual(
    await reasons(app, 'client.document-refused'),
    bad.map(([, reason]) => reason),
  );
  host.answer = published(good);
  t.is((await authorize(world, host.uri)).status, 303);
});

test('R103: an address that is none, and a host that nobody admits, are never asked', async t => {
  const world = await startWorld(t, { metadataHosts: ['localhost'] });
  const { host } = world;
  const { port } = new URL(host.uri);
  host.answer = published(documentOf(host));
  for (const clientId of [
    host.uri.replace('https', 'http'),
    `https://localhost:${port}`,
    `https://localhost:${port}/`,
    `https://localhost:${port}/a/../jwks`,
    `https://localhost:${port}/%2e%2e/jwks`,
    `https://localhost:${port}/jwks#x`,
    `https://user@localhost:${port}/jwks`,
    `https://LOCALHOST:${port}/jwks`,
    `https://localhost.:${port}/jwks`,
    `https://localhost.example:${port}/jwks`,
    `https://below.localhost:${port}/jwks`,
    `${host.uri}?${'x'.repeat(500)}`,
  ]) {
    t.is((await authorize(world, clientId)).status, 400, clientId);
  }
  t.is(host.asked(), 0);
});

test('T18: only a browser at the authorization endpoint has a document fetched, and a failing host is left alone', async t => {
  const world = await startWorld(t, { metadataHosts: ['localhost'] });
  const { app, host, resource } = world;
  const asked = {
    client_id: host.uri,
    redirect_uri: REDIRECT,
    code: 'x',
    response_type: 'code',
    code_challenge: 'c'.repeat(43),
    code_challenge_method: 'S256',
    resource: resource.identifier,
    token: 'x',
  };
  for (const [path, grant] of [
    ['/par', ''],
    ['/token', 'authorization_code'],
    ['/token', 'refresh_token'],
    ['/token', 'client_credentials'],
    ['/introspect', ''],
    ['/revoke', ''],
  ] as const) {
    const answer = await app.post(path, { ...asked, ...(grant !== '' && { grant_type: grant }) });
    t.is(answer.status, 401, `${path} ${grant}`);
  }
  t.is(host.asked(), 0);
  await Promise.all(Array.from({ length: 50 }, () => authorize(world, host.uri)));
  t.true(host.asked() <= 2, `${host.asked()} for 50 browsers`);
});

test('R104: a document on an inside address is not fetched, whatever template there is', async t => {
  const world = await startWorld(
    t,
    { metadataHosts: ['*'] },
    { env: { COUNTERSIGN_EGRESS_ALLOW: 'nowhere.example' } },
  );
  const { app, host } = world;
  const { port } = new URL(host.uri);
  // Names need stand-ins for name servers: the tests of the one way out have them.
  const urls = ssrfUrls().filter(url => !/\.(?:example|internal|localdomain)|ip6-|93\.184/i.test(url));
  t.true(urls.length > 100);
  for (const url of urls) {
    const clientId = url.replace('PORT', port);
    t.is((await authorize(world, clientId)).status, 400, clientId);
  }
  t.is(host.asked(), 0);
  const why = new Set(await reasons(app, 'client.document-refused'));
  t.true(why.has('egress-address-not-permitted'), [...why].join());
});

test('the document is asked for again when its host says so, and the most exact template governs', async t => {
  const world = await startWorld(t, { metadataHosts: ['*'] });
  const { app, host, template } = world;
  host.answer = {
    ...published(documentOf(host)),
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=60' },
  };
  await authorize(world, host.uri);
  await authorize(world, host.uri);
  t.is(host.asked(), 1);
  world.pass(61_000);
  host.answer = published(documentOf(host, { redirect_uris: ['https://editor.example/other'] }));
  t.is((await authorize(world, host.uri)).status, 400, 'what was true a minute ago');
  t.is(host.asked(), 2);
  t.is((await authorize(world, host.uri, 'https://editor.example/other')).status, 303);
  await killAgent({ agents: app.store, freshness: app.store }, template.id, app.origin());
  t.is((await authorize(world, host.uri, 'https://editor.example/other')).status, 400, 'with its template');
});

test('R099: registration is closed, and in no metadata, but for as long as a template is open', async t => {
  const world = await startWorld(t, { selfRegistration: 'open' });
  const { app, template } = world;
  const metadata = async () =>
    (await (await fetch(`${app.base}/.well-known/oauth-authorization-server`)).json()) as Record<
      string,
      unknown
    >;
  const said = await metadata();
  t.is(said['registration_endpoint'], `${app.issuer}/register`);
  t.false(said['client_id_metadata_document_supported']);
  t.is((await register(app, { redirect_uris: [REDIRECT] })).status, 201);
  await killAgent({ agents: app.store, freshness: app.store }, template.id, app.origin());
  t.false('registration_endpoint' in (await metadata()));
  const closed = await register(app, { redirect_uris: [REDIRECT] });
  t.is(closed.status, 404);
  t.is(closed.headers.get('access-control-allow-origin'), null);
  const preflight = await fetch(`${app.base}/register`, { method: 'OPTIONS' });
  t.is(preflight.headers.get('access-control-allow-origin'), null);
});

test('R100, R102: what an application cannot set for itself is refused by name, and nothing is stored', async t => {
  const { app } = await startWorld(t, { selfRegistration: 'open' });
  const good = { client_name: 'Editor', redirect_uris: [REDIRECT] };
  const before = (await app.trail()).length;
  for (const [body, error] of [
    [{ ...good, client_id: 'agt_1' }, 'invalid_client_metadata'],
    [{ ...good, client_secret: 'x' }, 'invalid_client_metadata'],
    [{ ...good, role: 'admin' }, 'invalid_client_metadata'],
    [{ ...good, owner: 'usr_1' }, 'invalid_client_metadata'],
    [{ ...good, enabled: true }, 'invalid_client_metadata'],
    [{ ...good, envelope: [] }, 'invalid_client_metadata'],
    [{ ...good, grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
    [
      {
        ...good,
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      },
      'invalid_client_metadata',
    ],
    [{ ...good, response_types: ['token'] }, 'invalid_client_metadata'],
    [{ ...good, client_name: 'Ed\u202Eitor' }, 'invalid_client_metadata'],
    [{ ...good, client_name: 7 }, 'invalid_client_metadata'],
    [[good], 'invalid_client_metadata'],
    ['{"__proto__":{"enabled":true}}', 'invalid_request'],
    ['{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}', 'invalid_request'],
    ['{', 'invalid_request'],
    [{ client_name: 'Editor' }, 'invalid_redirect_uri'],
    [{ ...good, redirect_uris: [] }, 'invalid_redirect_uri'],
    [{ ...good, redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    [{ ...good, redirect_uris: [REDIRECT, 'http://editor.example/'] }, 'invalid_redirect_uri'],
    [{ ...good, redirect_uris: ['https://*.example/'] }, 'invalid_redirect_uri'],
  ] as const) {
    const refused = await register(app, body);
    t.is(refused.status, 400, JSON.stringify(body));
    t.is(refused.json.error, error, JSON.stringify(body));
  }
  t.is((await app.trail()).length, before);
  const wide = await register(app, { ...good, scope: 'read write admin', application_type: 'web' });
  t.is(wide.status, 201);
  t.false('scope' in wide.json, 'a scope that is named is given to nobody');
  t.false('client_secret' in wide.json);
});

whateverTheStore(
  'an application that says the same again is the same one, and strangers cannot fill the store',
  async (t, store) => {
    const world = await startWorld(t, { selfRegistration: 'open' }, { env: store });
    const { app } = world;
    const body = { client_name: 'Editor', redirect_uris: [REDIRECT, 'http://localhost/x'] };
    const one = await register(app, body, { Origin: 'https://elsewhere.example' });
    t.is(one.headers.get('access-control-allow-origin'), '*');
    t.regex(one.json.client_id, /^app_[0-9a-f]{32}$/);
    const again = await register(app, { ...body, redirect_uris: body.redirect_uris.toReversed() });
    t.is(again.json.client_id, one.json.client_id);
    t.is((await authorize(world, one.json.client_id)).status, 303);
    let made = 1;
    for (; made < 100; made += 1) {
      const another = await register(app, { ...body, client_name: `Editor ${made}` });
      if (another.status === 429) break;
    }
    t.true(made <= 50, `${made} at once`);
    t.is((await register(app, body)).status, 201, 'who is known already does not count');
    world.pass(86_500_000);
    t.is((await authorize(world, one.json.client_id)).status, 400, 'nobody has used it');
  },
);

test('what an application has said is known where tokens are, also when its host is gone and another process answers', async t => {
  const world = await startWorld(t, { metadataHosts: ['localhost'], refreshTokens: 'always' });
  const { app, host, resource } = world;
  host.answer = published(documentOf(host));
  const visitor = new Visitor(app);
  await enrol(app, visitor);
  const verifier = 'v'.repeat(43);
  const query = new URLSearchParams({
    client_id: host.uri,
    redirect_uri: REDIRECT,
    response_type: 'code',
    code_challenge: Buffer.from(
      await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)),
    ).toString('base64url'),
    code_challenge_method: 'S256',
    resource: resource.identifier,
  });
  const at = (await visitor.get(`${app.issuer}/authorize?${query}`)).location ?? '';
  await visitor.get(at);
  const decided = await visitor.submit(new URL(at, app.issuer).pathname, { decision: 'allow' });
  const back = new URL((await visitor.get(decided.location ?? '')).location ?? '');
  t.truthy(back.searchParams.get('code'), back.href);
  const asked = host.asked();
  host.answer = { status: 503 };
  const tokens = await app.post('/token', {
    grant_type: 'authorization_code',
    client_id: host.uri,
    redirect_uri: REDIRECT,
    code: back.searchParams.get('code') ?? '',
    code_verifier: verifier,
  });
  t.is(tokens.status, 200, tokens.text);
  const answer = await app.post(
    '/introspect',
    { token: tokens.json.access_token },
    { basic: [resource.id, resource.secret] },
  );
  t.like(answer.json, { active: true, client_id: host.uri, scope: 'read' });
  const agent = await app.store.findAgent(answer.json.act.sub);
  t.like(agent, { name: 'Editor', clientId: host.uri, applicationId: world.template.id });
  const refreshed = await app.post('/token', {
    grant_type: 'refresh_token',
    client_id: host.uri,
    refresh_token: tokens.json.refresh_token,
  });
  t.is(refreshed.status, 200, refreshed.text);
  t.is(host.asked(), asked);
  await killAgent({ agents: app.store, freshness: app.store }, world.template.id, app.origin());
  const dead = await app.post(
    '/introspect',
    { token: refreshed.json.access_token },
    { basic: [resource.id, resource.secret] },
  );
  t.is(dead.text, '{"active":false}');
});
