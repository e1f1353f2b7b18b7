import { createHash } from 'node:crypto';
import test from 'ava';
import { REDIRECT_URI, RESOURCE, SECRET, startEngine } from './start-engine.ts';

const CHALLENGE = createHash('sha256').update('v'.repeat(50)).digest('base64url');
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

const walk = (client_id: string, overrides: Record<string, string | undefined> = {}) => {
  const parameters = {
    client_id,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    resource: RESOURCE,
    scope: 'read',
    state: 'st',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...overrides,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  return `/authorize?${query}`;
};

test('a well-formed authorization request leads to where a person is asked', async t => {
  const engine = await startEngine(t);
  const answer = await engine.send('GET', walk(engine.secretClient));
  t.is(answer.status, 303);
  const location = answer.headers.get('location') ?? '';
  t.regex(location, /^\/interaction\/[A-Za-z0-9_-]+$/);
});

test('R019: without a challenge, and with the method plain, the request is refused, and the answer names us (RFC 9207)', async t => {
  const engine = await startEngine(t);
  for (const overrides of [
    { code_challenge: undefined, code_challenge_method: undefined },
    { code_challenge_method: 'plain' },
    { code_challenge_method: undefined },
  ]) {
    const answer = await engine.send('GET', walk(engine.secretClient, overrides));
    const location = new URL(answer.headers.get('location') ?? 'none:');
    t.is(location.searchParams.get('error'), 'invalid_request');
    t.is(location.searchParams.get('iss'), engine.issuer);
    t.is(location.searchParams.get('state'), 'st');
  }
});

test('R021: a redirect URI that is not registered to the letter ends at a page, never at a redirect', async t => {
  const engine = await startEngine(t);
  for (const redirect_uri of [
    'https://evil.example/callback',
    `${REDIRECT_URI}/`,
    `${REDIRECT_URI}?x=1`,
    'https://client.example:444/callback',
    'https://user@client.example/callback',
    'https://client.example/%2e%2e/callback',
    'http://client.example/callback',
    'javascript:alert(1)',
  ]) {
    const answer = await engine.send('GET', walk(engine.secretClient, { redirect_uri }), {
      headers: { Accept: 'text/html' },
    });
    t.is(answer.status, 400, redirect_uri);
    t.is(answer.headers.get('location'), null, redirect_uri);
    t.regex(answer.text, /<h1>This request cannot be answered/);
  }
  const unknown = await engine.send('GET', walk('agt_unknown'), { headers: { Accept: 'text/html' } });
  t.is(unknown.status, 400);
  t.is(unknown.headers.get('location'), null);
});

test('what an error page repeats is escaped', async t => {
  const engine = await startEngine(t);
  const answer = await engine.send('GET', walk('<script>alert(1)</script>'), {
    headers: { Accept: 'text/html' },
  });
  t.false(answer.text.includes('<script'));
});

test('R024: other response types are refused', async t => {
  const engine = await startEngine(t);
  for (const response_type of ['token', 'id_token', 'code token', 'none']) {
    const answer = await engine.send('GET', walk(engine.secretClient, { response_type }));
    const location = answer.headers.get('location');
    t.true(
      answer.status === 400 ||
        /error=unsupported_response_type|error=unauthorized_client/.test(location ?? ''),
      response_type,
    );
  }
});

test('an unknown resource is invalid_target', async t => {
  const engine = await startEngine(t);
  const answer = await engine.send(
    'GET',
    walk(engine.secretClient, { resource: 'https://other.example/mcp' }),
  );
  t.regex(answer.headers.get('location') ?? '', /error=invalid_target/);
});

test('R022: a pushed request is used once, and PAR takes a secret by its digest', async t => {
  const engine = await startEngine(t);
  const form = Object.fromEntries(new URLSearchParams(walk(engine.secretClient).split('?')[1]));
  const basic = {
    Authorization: `Basic ${Buffer.from(`${engine.secretClient}:${SECRET}`).toString('base64')}`,
  };
  const wrong = { Authorization: `Basic ${Buffer.from(`${engine.secretClient}:wrong`).toString('base64')}` };
  t.is((await engine.send('POST', '/par', { form, headers: wrong })).status, 401);
  const pushed = await engine.send('POST', '/par', { form, headers: basic });
  t.is(pushed.status, 201, pushed.text);
  const query = new URLSearchParams({ client_id: engine.secretClient, request_uri: pushed.json.request_uri });
  t.is((await engine.send('GET', `/authorize?${query}`)).status, 303);
});

test('R006: an assertion that was used at one endpoint fails at another', async t => {
  const engine = await startEngine(t);
  const form = Object.fromEntries(new URLSearchParams(walk(engine.keyClient).split('?')[1]));
  const proof = { client_assertion_type: ASSERTION_TYPE, client_assertion: await engine.assertion() };
  t.is((await engine.send('POST', '/par', { form: { ...form, ...proof } })).status, 201);
  t.is((await engine.send('POST', '/par', { form: { ...form, ...proof } })).status, 401);
  const code = {
    grant_type: 'authorization_code',
    code: 'x',
    redirect_uri: REDIRECT_URI,
    code_verifier: 'v'.repeat(50),
  };
  t.is((await engine.send('POST', '/token', { form: { ...code, ...proof } })).status, 401);
});

test('F7, S17: the engine takes assertions for the issuer only, and for five minutes at most', async t => {
  const engine = await startEngine(t);
  const form = Object.fromEntries(new URLSearchParams(walk(engine.keyClient).split('?')[1]));
  const now = Math.floor(Date.now() / 1000);
  for (const claims of [
    { aud: `${engine.issuer}/token` },
    { aud: [engine.issuer, 'https://elsewhere.example'] },
    { exp: now + 315_360_000 },
    { exp: now - 10, iat: now - 60 },
  ]) {
    const proof = { client_assertion_type: ASSERTION_TYPE, client_assertion: await engine.assertion(claims) };
    t.is(
      (await engine.send('POST', '/par', { form: { ...form, ...proof } })).status,
      401,
      JSON.stringify(claims),
    );
  }
});

test('RFC 7515, RFC 7519: the engine takes a header and times as the other endpoints do', async t => {
  const engine = await startEngine(t);
  const form = Object.fromEntries(new URLSearchParams(walk(engine.keyClient).split('?')[1]));
  const now = Date.now() / 1000;
  for (const [claims, header] of [
    [{}, { kid: 'what-the-library-made-up' }],
    [{}, { typ: 'application/JWT', x5t: 'dGh1bWJwcmludA', cty: 'json' }],
    [{ iat: now - 0.25, exp: now + 59.123456 }, {}],
  ] as const) {
    const client_assertion = await engine.assertion(claims, header);
    const proof = { client_assertion_type: ASSERTION_TYPE, client_assertion };
    const answer = await engine.send('POST', '/par', { form: { ...form, ...proof } });
    t.is(answer.status, 201, `${JSON.stringify(header)} ${answer.text}`);
    t.is((await engine.send('POST', '/par', { form: { ...form, ...proof } })).status, 401);
  }
});

test('R141: behind a proxy, over a plain socket, an https issuer with a path keeps its scheme, host, path and secure cookies', async t => {
  const engine = await startEngine(t, 'https://as.example/tenant');
  const forged = { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'http' };
  const answer = await engine.send('GET', `/tenant${walk(engine.secretClient)}`, { headers: forged });
  t.is(answer.status, 303);
  t.regex(answer.headers.get('location') ?? '', /^\/tenant\/interaction\//);
  const cookies = answer.headers.getSetCookie();
  t.true(cookies.length > 0);
  for (const cookie of cookies) {
    t.regex(cookie, /^__Secure-/);
    t.regex(cookie, /; secure/i);
    t.regex(cookie, /; httponly/i);
    t.regex(cookie, /samesite=lax/i);
    t.regex(cookie, /path=\/tenant\//i);
  }
  t.is((await engine.send('GET', walk(engine.secretClient))).status, 404);
  const error = await engine.send(
    'GET',
    `/tenant${walk(engine.secretClient, { code_challenge_method: 'plain' })}`,
  );
  t.is(
    new URL(error.headers.get('location') ?? 'none:').searchParams.get('iss'),
    'https://as.example/tenant',
  );
});

test('paths of the engine that are not ours are nobody’s', async t => {
  const engine = await startEngine(t);
  for (const path of [
    '/me',
    '/reg',
    '/request',
    '/session/end',
    '/token/introspection',
    '/device',
    '/backchannel',
    '/AUTHORIZE',
  ]) {
    t.is((await engine.send('GET', path)).status, 404, path);
  }
  t.is((await engine.send('GET', '/.well-known/openid-configuration')).status, 404);
});
