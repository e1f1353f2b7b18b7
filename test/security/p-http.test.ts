/** Group P: HTTP robustness, as far as hosts, forwarded headers, sizes and origins go. */
import { connect } from 'node:net';
import test from 'ava';
import { listProblems } from '../../src/http/problem.ts';
import { type App, addAgent, addPerson, addResource, getToken, startApp } from '../support/start-app.ts';

/** Sends bytes as they are, since clients would not, and returns what came back until the server closed. */
function raw(app: App, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: 'localhost', port: Number(new URL(app.base).port) });
    let received = '';
    socket.on('data', chunk => {
      received += chunk;
    });
    socket.on('error', error => (received === '' ? reject(error) : resolve(received)));
    socket.on('close', () => resolve(received));
    socket.write(text);
  });
}

const get = (app: App, path: string, headers: string) =>
  raw(app, `GET ${path} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);

test('R141: a forged Host is refused, except for probes, and forwarded headers change nothing', async t => {
  const app = await startApp(t);
  const { host } = new URL(app.issuer);
  const right = await get(app, '/.well-known/oauth-authorization-server', `Host: ${host}\r\n`);
  t.true(right.includes(`"issuer":"${app.issuer}"`));
  for (const forged of ['evil.example', `${host}.evil.example`, 'localhost', `${host}0`, `x@${host}`, '']) {
    t.regex(
      await get(app, '/.well-known/oauth-authorization-server', `Host: ${forged}\r\n`),
      /^HTTP\/1.1 (421|400)/,
      forged,
    );
    t.regex(await get(app, '/livez', `Host: ${forged || 'x'}\r\n`), /^HTTP\/1.1 200/, forged);
  }
  const spoofed =
    'X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example;proto=https\r\nX-Forwarded-For: 6.6.6.6\r\n';
  const answer = await get(app, '/.well-known/oauth-authorization-server', `Host: ${host}\r\n${spoofed}`);
  t.false(answer.includes('evil.example'));
  t.false(answer.includes('https://'));
});

test('RFC 9110 4.2.3: a Host in capitals or with the default port of the scheme is the same; others are let in by name alone', async t => {
  const app = await startApp(t, {
    env: {
      COUNTERSIGN_ISSUER: 'https://auth.example.com',
      COUNTERSIGN_FURTHER_HOSTS: 'Countersign.internal:8080, [fd00::7]',
    },
  });
  const statusOf = async (host: string, target = '/jwks') =>
    Number((await get(app, target, `Host: ${host}\r\n`)).slice(9, 12));
  for (const same of [
    'auth.example.com',
    'AUTH.example.COM',
    'auth.example.com:443',
    'Auth.Example.com:443',
    'auth.example.com:',
    'countersign.internal:8080',
    'COUNTERSIGN.INTERNAL:8080',
    '[fd00::7]',
    '[FD00::7]:443',
  ]) {
    t.is(await statusOf(same), 200, same);
  }
  for (const other of [
    'auth.example.com:80',
    'auth.example.com:8443',
    'auth.example.com:4430',
    'auth.example.com.',
    'auth%2eexample.com',
    'countersign.internal',
    'countersign.internal:443',
    'localhost',
  ]) {
    t.is(await statusOf(other), 421, other);
  }

  // RFC 9112 section 3.2.2: the target has the last word, whatever Host says.
  t.is(await statusOf('auth.example.com', 'https://auth.example.com/jwks'), 200);
  t.is(await statusOf('auth.example.com', 'HTTPS://AUTH.example.com:443/jwks'), 200);
  t.is(await statusOf('evil.example', 'https://auth.example.com/jwks'), 200);
  t.is(await statusOf('auth.example.com', 'https://countersign.internal:8080/jwks'), 200);
  for (const foreign of [
    'https://evil.example/jwks',
    'http://auth.example.com/jwks',
    'https://auth.example.com:8443/jwks',
    'https://auth.example.com@evil.example/jwks',
    'https://x@auth.example.com/jwks',
    'ftp://auth.example.com/jwks',
  ]) {
    t.is(await statusOf('auth.example.com', foreign), 400, foreign);
    t.is(await statusOf('auth.example.com', foreign.replace('/jwks', '/livez')), 400, foreign);
  }
});

test('RFC 9112 3.2: two Host lines, and two of any line that may be there once and that something is decided by, are refused', async t => {
  const app = await startApp(t);
  const { host } = new URL(app.issuer);
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const statusOf = async (answer: Promise<string>) => Number((await answer).slice(9, 12));
  for (const path of ['/jwks', '/livez', '/api/v1/agents', '/authorize']) {
    t.is(await statusOf(get(app, path, `Host: ${host}\r\nHost: ${host}\r\n`)), 400, path);
    t.is(await statusOf(get(app, path, `Host: ${host}\r\nhost: evil.example\r\n`)), 400, path);
  }
  const basic = `Authorization: Basic ${Buffer.from(agent.basic.join(':')).toString('base64')}\r\n`;
  const form = 'Content-Type: application/x-www-form-urlencoded\r\n';
  const body = `grant_type=client_credentials&resource=${encodeURIComponent(resource.identifier)}`;
  const post = (path: string, headers: string) =>
    raw(
      app,
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`,
    );
  for (const path of ['/token', '/introspect', '/revoke', '/par']) {
    for (const twice of [
      `${basic}AUTHORIZATION: Bearer x\r\n${form}`,
      `${basic}${form}content-type: text/plain\r\n`,
    ]) {
      const answer = await post(path, twice);
      t.is(await statusOf(Promise.resolve(answer)), 400, path);
      t.regex(answer, /"error":"invalid_request"/, path);
    }
  }
  t.regex(
    await get(
      app,
      '/api/v1/agents',
      `Host: ${host}\r\nAuthorization: Bearer x\r\nAuthorization: Bearer x\r\n`,
    ),
    /^HTTP\/1.1 400[\s\S]*application\/problem\+json/,
  );
  t.is(await statusOf(post('/token', basic + form)), 200);
});

test('R142: a forwarded address is believed from a listed proxy only', async t => {
  const form = { grant_type: 'client_credentials' };
  const headers = { 'X-Forwarded-For': '203.0.113.9, 198.51.100.7' };
  const address = async (app: App) => {
    await app.post('/token', form, { basic: ['agt_unknown', 'x'], headers });
    return (await app.trail()).find(event => event.type === 'client.authentication-refused')?.address;
  };
  const direct = await startApp(t);
  t.regex((await address(direct)) ?? '', /^(127\.0\.0\.1|::1)$/);
  const behind = await startApp(t, { env: { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1,::1' } });
  t.is(await address(behind), '198.51.100.7');
});

test('R142: of what a listed proxy forwards an address is taken, with its port or without, in one spelling; nothing else is', async t => {
  const app = await startApp(t, {
    env: { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1,::1,10.0.0.0/8,fd00::/8' },
  });
  const forwarded: readonly (readonly [string, string])[] = [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:50123', '203.0.113.7'],
    ['[2001:db8::7]:50123', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['2001:DB8:0:0:0::7', '2001:db8::7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['[::FFFF:203.0.113.7]:1', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['198.51.100.9, 203.0.113.7:50123', '203.0.113.7'],
    ['203.0.113.7:50123, 10.1.2.3:443, [fd00::1]:443, ::ffff:10.0.0.1', '203.0.113.7'],
    // What comes next to something that is no address is the last that is known.
    ['unknown, 10.1.2.3', '10.1.2.3'],
    ['203.0.113.7, nonsense, 10.1.2.3:443', '10.1.2.3'],
  ];
  const peer = /^(?:127\.0\.0\.1|::1)$/;
  const unbelieved = [
    'unknown',
    '_hidden',
    'a.example',
    '203.0.113.7:',
    '203.0.113.7:65536',
    '203.0.113.7:http',
    '203.0.113.7:1:2',
    '[203.0.113.7]:80',
    '[2001:db8::7',
    '[2001:db8::7]50123',
    '[2001:db8::7]:',
    '2001:db8::7]:50123',
    '2001:db8::7:50123',
    'fe80::1%eth0',
    '203.0.113',
    '203.0.113.07',
    '3405803783',
    '0xcb.0.113.7',
    '1:2',
    '...',
    'abc',
    '"203.0.113.7"',
    '203.0.113.7/32',
    '203.0.113.7 50123',
  ];
  const cases: readonly (readonly [string, string | RegExp])[] = [
    ...forwarded,
    ...unbelieved.flatMap(text => [
      [text, peer] as const,
      [`203.0.113.7, ${text}`, peer] as const,
      [`${text}, 198.51.100.7`, '198.51.100.7'] as const,
    ]),
  ];
  for (const [index, [header]] of cases.entries()) {
    const basic = [`agt_${index}`, 'x'] as const;
    const headers = { 'X-Forwarded-For': header };
    t.is((await app.post('/token', { grant_type: 'client_credentials' }, { basic, headers })).status, 401);
  }
  const rows = new Map((await app.trail()).map(({ client, address }) => [client, address ?? '']));
  for (const [index, [header, expected]] of cases.entries()) {
    const address = rows.get(`agt_${index}`) ?? '';
    if (typeof expected === 'string') t.is(address, expected, header);
    else t.regex(address, expected, header);
  }
});

test('R143: what is too large is refused and holds nobody up', async t => {
  const app = await startApp(t);
  const { host } = new URL(app.issuer);
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const big = `grant_type=client_credentials&scope=${'x'.repeat(70_000)}`;
  t.is((await app.post('/token', big, { basic: agent.basic })).status, 413);
  const asked = `grant_type=client_credentials&resource=${encodeURIComponent(resource.identifier)}`;
  const many = `${asked}&${Array.from({ length: 5_000 }, (_, index) => `p${index}=1`).join('&')}`;
  t.is((await app.post('/token', many, { basic: agent.basic })).status, 400);
  t.regex(await get(app, '/livez', `Host: ${host}\r\nX-Big: ${'x'.repeat(20_000)}\r\n`), /^HTTP\/1.1 431/);
  // Refused, and not read without those beyond the limit: one of them may say who calls, or how long the body is.
  const headers = (count: number): string =>
    Array.from({ length: count }, (_, at) => `X-${at}: 1\r\n`).join('');
  t.regex(await get(app, '/livez', `Host: ${host}\r\n${headers(62)}`), /^HTTP\/1.1 200/);
  t.regex(await get(app, '/livez', `Host: ${host}\r\n${headers(63)}`), /^HTTP\/1.1 431/);
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  t.is((await app.post('/token', form, { basic: agent.basic })).status, 200);
});

test('R145: metadata and keys may be read from any site; token, introspection and API from none', async t => {
  const app = await startApp(t);
  const headers = { Origin: 'https://elsewhere.example' };
  for (const path of [
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration',
    '/jwks',
  ]) {
    const answer = await fetch(`${app.base}${path}`, { headers });
    t.is(answer.headers.get('access-control-allow-origin'), '*', path);
    t.is(answer.headers.get('access-control-allow-credentials'), null, path);
  }
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (const path of ['/token', '/introspect', '/revoke']) {
    const answer = await app.post(path, path === '/token' ? form : { token: 'x' }, {
      basic: agent.basic,
      headers,
    });
    t.is(answer.status, 403, path);
    t.is(answer.headers.get('access-control-allow-origin'), null, path);
    const preflight = await fetch(`${app.base}${path}`, {
      method: 'OPTIONS',
      headers: { ...headers, 'Access-Control-Request-Method': 'POST' },
    });
    // Which client a page would come for is not known yet; `h-applications` has what is decided then.
    t.is(preflight.headers.get('access-control-allow-origin'), path === '/introspect' ? null : '*', path);
    t.is(preflight.headers.get('access-control-allow-credentials'), null, path);
  }
  t.is((await app.post('/token', form, { basic: agent.basic })).status, 200);
  const own = { basic: agent.basic, headers: { Origin: new URL(app.issuer).origin } };
  t.is((await app.post('/token', form, own)).status, 200);
});

test('S56: a path issuer has its documents where both specifications look for them', async t => {
  const app = await startApp(t, { issuerAt: { path: '/tenant' } });
  const { issuer } = app;
  for (const path of [
    '/.well-known/oauth-authorization-server/tenant',
    '/.well-known/openid-configuration/tenant',
    '/tenant/.well-known/openid-configuration',
  ]) {
    const metadata = (await (await fetch(`${app.base}${path}`)).json()) as Record<string, string>;
    t.is(metadata['issuer'], issuer, path);
    t.is(metadata['token_endpoint'], `${issuer}/token`);
  }
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const answer = await app.post('/tenant/token', form, { basic: agent.basic });
  t.is(answer.status, 200);
  const basic = [resource.id, resource.secret] as const;
  const live = await app.post('/tenant/introspect', { token: answer.json.access_token }, { basic });
  t.is(live.json.iss, issuer);
  t.is((await fetch(`${app.base}/tenant/api/v1/agents`)).status, 401);
});

test('RFC 8414 §2: metadata tells only what works: every address answers, and every grant type is taken', async t => {
  const app = await startApp(t);
  const { basic } = await addAgent(app, await addPerson(app), await addResource(app));
  const answered = await fetch(`${app.base}/.well-known/oauth-authorization-server`);
  const metadata = (await answered.json()) as Record<string, unknown>;
  const addresses = Object.entries(metadata).filter(([, value]) =>
    String(value).startsWith(`${app.issuer}/`),
  );
  t.true(addresses.length >= 7);
  for (const [name, address] of addresses) {
    const isRead = ['jwks_uri', 'service_documentation', 'authorization_endpoint'].includes(name);
    const answer = await fetch(String(address), { method: isRead ? 'GET' : 'POST', redirect: 'manual' });
    t.false([404, 405, 501].includes(answer.status), `${name}: ${answer.status}`);
  }
  for (const grant_type of metadata['grant_types_supported'] as readonly string[]) {
    const { json } = await app.post('/token', { grant_type }, { basic });
    t.true(['invalid_request', 'invalid_target', 'unauthorized_client'].includes(json.error), json.error);
  }
  // Nobody is admitted who would register or publish a document.
  t.is(metadata['registration_endpoint'], undefined);
  t.false(metadata['client_id_metadata_document_supported']);
});

test('metadata carries a validator, and an unchanged document is not sent again', async t => {
  const app = await startApp(t);
  const url = `${app.base}/.well-known/oauth-authorization-server`;
  const first = await fetch(url);
  const etag = first.headers.get('etag') ?? '';
  t.regex(first.headers.get('cache-control') ?? '', /public, max-age=\d+/);
  // fetch adds a Cache-Control of its own to such a request.
  const again = await get(
    app,
    new URL(url).pathname,
    `Host: ${new URL(app.issuer).host}\r\nIf-None-Match: ${etag}\r\n`,
  );
  t.regex(again, /^HTTP\/1.1 304/);
  t.is((await fetch(url, { method: 'HEAD' })).status, 200);
});

test('RFC 9110 15.5.2: every 401 says how to authenticate, whatever was sent as Authorization', async t => {
  const app = await startApp(t);
  const code = {
    grant_type: 'authorization_code',
    code: 'x',
    redirect_uri: 'https://a.example/',
    code_verifier: 'v'.repeat(43),
  };
  const asked: readonly (readonly [string, Record<string, string>])[] = [
    ['/token', { grant_type: 'client_credentials' }],
    ['/token', { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange' }],
    [
      '/token',
      { grant_type: 'urn:ietf:params:oauth:grant-type:deferred', deferral_code: `cs_dc_${'A'.repeat(48)}` },
    ],
    ['/token', code],
    ['/token', { ...code, client_id: 'nobody' }],
    ['/introspect', { token: 'x' }],
    ['/revoke', { token: 'x' }],
    ['/par', { response_type: 'code' }],
    ['/par', { response_type: 'code', client_id: 'nobody' }],
  ];
  const headers = [
    undefined,
    'Basic bm9ib2R5Ong=',
    'Bearer some-token',
    'Basic !',
    'Basic bm9ib2R5',
    'DPoP x',
    'Basic',
    'garbage',
    '\u00e9',
  ];
  for (const [path, form] of asked) {
    for (const authorization of headers) {
      const what = `${path} ${form['grant_type'] ?? ''} ${form['client_id'] ?? ''} ${authorization}`;
      const answer = await app.post(path, form, {
        ...(authorization !== undefined && { headers: { Authorization: authorization } }),
      });
      const isUnnamed =
        authorization === undefined &&
        (form === code || (path === '/par' && form['client_id'] === undefined));
      // The engine finds a parameter missing where nobody says who asks.
      if (isUnnamed && answer.status === 400) continue;
      t.is(answer.status, 401, `${what}: ${answer.text}`);
      t.is(answer.json.error, 'invalid_client', what);
      t.is(answer.headers.get('www-authenticate'), 'Basic realm="countersign"', what);
    }
  }
  const rows = (await app.trail()).filter(({ reason }) => reason === 'authorization-malformed');
  t.true(rows.length > 0);
  for (const [reason, { status, bearerError, dpopError }] of listProblems())
    t.is(status === 401, (bearerError ?? dpopError) !== undefined && status === 401, reason);
});

test('RFC 9110 15.5.6: a wrong method is 405 with Allow, at every path', async t => {
  const app = await startApp(t);
  const wrong: readonly (readonly [method: string, path: string, allowed: string])[] = [
    ['GET', '/token', 'POST, OPTIONS'],
    ['DELETE', '/token', 'POST, OPTIONS'],
    ['PUT', '/introspect', 'POST, OPTIONS'],
    ['HEAD', '/revoke', 'POST, OPTIONS'],
    ['GET', '/par', 'POST, OPTIONS'],
    ['PUT', '/authorize', 'GET, POST, OPTIONS'],
    ['POST', '/authorize/x', 'GET, OPTIONS'],
    ['POST', '/jwks', 'HEAD, GET, OPTIONS'],
    ['DELETE', '/.well-known/oauth-authorization-server', 'HEAD, GET, OPTIONS'],
    ['POST', '/openapi.json', 'HEAD, GET, OPTIONS'],
    ['POST', '/docs/errors', 'HEAD, GET, OPTIONS'],
    ['POST', '/me', 'HEAD, GET, OPTIONS'],
    ['PATCH', '/sign-in', 'HEAD, GET, POST, OPTIONS'],
    ['POST', '/readyz', 'HEAD, GET, OPTIONS'],
  ];
  const methodsOf = (allow: string | null) => (allow ?? '').split(', ').sort().join();
  for (const [method, path, allowed] of wrong) {
    const answer = await fetch(`${app.base}${path}`, { method });
    t.is(answer.status, 405, `${method} ${path}`);
    t.is(methodsOf(answer.headers.get('allow')), methodsOf(allowed), `${method} ${path}`);
    if (method !== 'HEAD') t.like(await answer.json(), { title: 'This path has no call with this method' });
    const options = await fetch(`${app.base}${path}`, { method: 'OPTIONS' });
    t.is(options.status, 204, path);
  }
  t.is((await fetch(`${app.base}/tokens`, { method: 'DELETE' })).status, 404);
  t.is((await fetch(`${app.base}/tokens`, { method: 'OPTIONS' })).status, 404);
});

test('RFC 9110 15.5.16: a compressed body is 415, and it is said that none is taken', async t => {
  const app = await startApp(t);
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const token = await getToken(
    app,
    { id: app.admin.clientId, basic: [app.admin.clientId, app.admin.secret] },
    { ...resource, identifier: `${app.issuer}/api` },
  );
  for (const coding of ['gzip', 'br', 'identity, deflate', 'GZIP']) {
    const headers = { 'Content-Encoding': coding };
    for (const path of ['/token', '/introspect', '/revoke', '/par', '/authorize', '/sign-in']) {
      const answer = await app.post(path, form, {
        ...(!['/authorize', '/sign-in'].includes(path) && { basic: agent.basic }),
        headers,
      });
      t.is(answer.status, 415, `${path} ${coding}: ${answer.text}`);
      t.is(answer.headers.get('accept-encoding'), 'identity', path);
    }
    const answer = await fetch(`${app.base}/api/v1/agents`, {
      method: 'POST',
      headers: { ...headers, Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: '{}',
    });
    t.is(answer.status, 415);
  }
  t.is(
    (await app.post('/token', form, { basic: agent.basic, headers: { 'Content-Encoding': 'identity' } }))
      .status,
    200,
  );
});

test('pages of any origin may read metadata and keys with headers of their own; none may read what /par answers', async t => {
  const app = await startApp(t);
  const { origin } = new URL(app.issuer);
  const page = { Origin: 'https://page.example' };
  for (const path of [
    '/jwks',
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration',
    '/openapi.json',
  ]) {
    const preflight = await fetch(`${app.base}${path}`, {
      method: 'OPTIONS',
      headers: {
        ...page,
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'mcp-protocol-version',
      },
    });
    t.is(preflight.status, 204, path);
    t.is(preflight.headers.get('access-control-allow-origin'), '*', path);
    t.regex(preflight.headers.get('access-control-allow-methods') ?? '', /GET/, path);
    t.is(preflight.headers.get('access-control-allow-headers'), '*', path);
    t.is(preflight.headers.get('access-control-allow-credentials'), null, path);
  }
  const pushed = { client_id: 'nobody', response_type: 'code' };
  const code = { grant_type: 'authorization_code', code: 'x', client_id: 'nobody' };
  for (const [path, form] of [
    ['/par', pushed],
    ['/token', code],
  ] as const) {
    t.is((await app.post(path, form)).headers.get('access-control-allow-origin'), null, path);
    const foreign = await app.post(path, form, { headers: page });
    t.is(foreign.status, 403, path);
    t.is(foreign.headers.get('access-control-allow-origin'), null, path);
  }
  const own = await app.post('/par', pushed, { headers: { Origin: origin } });
  t.is(own.status, 401);
  t.is(own.headers.get('access-control-allow-origin'), null);
  const preflight = await fetch(`${app.base}/par`, {
    method: 'OPTIONS',
    headers: { ...page, 'Access-Control-Request-Method': 'POST' },
  });
  t.is(preflight.headers.get('access-control-allow-origin'), null);
});

test('RFC 6749 3.1, 3.2: a parameter without a value is not sent, and beside one with a value it is sent twice', async t => {
  const app = await startApp(t);
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const ask = (more: string) =>
    app.post(
      '/token',
      `grant_type=client_credentials&resource=${encodeURIComponent(resource.identifier)}${more}`,
      { basic: agent.basic },
    );
  for (const twice of [
    '&scope=&scope=read',
    '&scope=read&scope=',
    '&scope=&scope=',
    '&scope&scope=read',
    '&grant_type=',
  ]) {
    const answer = await ask(twice);
    t.is(answer.status, 400, twice);
    t.regex(answer.json.error_description, /more than once; parameter: (scope|grant_type)/, twice);
  }
  for (const once of ['&scope=', '&scope', '&resource=', '&unknown='])
    t.is((await ask(once)).status, 200, once);
  const asked = `response_type=code&client_id=${agent.id}`;
  for (const twice of ['&scope=&scope=read', '&scope=read&scope=', '&state=&state=x'])
    t.regex(
      await get(app, `/authorize?${asked}${twice}`, `Host: ${new URL(app.issuer).host}\r\n`),
      /^HTTP\/1.1 400/,
      twice,
    );
});
