/** Group H, signed: introspection responses as JWTs (RFC 9701). */
import test, { type ExecutionContext } from 'ava';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import {
  type Answer,
  type App,
  addAgent,
  addPerson,
  addResource,
  getToken,
  heldClock,
  introspect,
  startApp,
  type TestResource,
} from '../support/start-app.ts';

const SIGNED = 'application/token-introspection+jwt';

async function world(t: ExecutionContext) {
  const app = await startApp(t, { clock: heldClock() });
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  return { app, resource, agent, token: await getToken(app, agent, resource) };
}

const ask = (app: App, resource: TestResource, token: string, accept = SIGNED): Promise<Answer> =>
  app.post('/introspect', { token }, { basic: [resource.id, resource.secret], headers: { Accept: accept } });

async function verify(app: App, resource: TestResource, answer: Answer) {
  const jwks = (await (await fetch(`${app.base}/jwks`)).json()) as JSONWebKeySet;
  return jwtVerify(answer.text, createLocalJWKSet(jwks), {
    issuer: app.issuer,
    audience: resource.id,
    typ: 'token-introspection+jwt',
    algorithms: ['ES256'],
  });
}

test('a resource server that asks for it gets the response signed, with the same content', async t => {
  const { app, resource, token } = await world(t);
  const answer = await ask(app, resource, token);
  t.is(answer.status, 200);
  t.is(answer.headers.get('content-type'), SIGNED);
  t.is(answer.headers.get('cache-control'), 'no-store');
  t.deepEqual(Object.keys(decodeProtectedHeader(answer.text)).sort(), ['alg', 'kid', 'typ']);
  const { payload } = await verify(app, resource, answer);
  t.deepEqual(Object.keys(payload).sort(), ['aud', 'iat', 'iss', 'token_introspection']);
  t.deepEqual(payload['token_introspection'], (await introspect(app, resource, token)).json);
  t.is(payload.aud, resource.id);
  t.is(payload.iat, Math.floor(app.now() / 1000));
});

test('R063, R065: what is unknown, revoked or foreign is inactive in a signed response too, and nothing more', async t => {
  const { app, resource, agent, token } = await world(t);
  const other = await addResource(app);
  const signed = async (by: TestResource, value: string): Promise<unknown> =>
    (await verify(app, by, await ask(app, by, value))).payload['token_introspection'];
  t.deepEqual(await signed(resource, 'unheard-of'), { active: false });
  t.deepEqual(await signed(other, token), { active: false });
  await app.post('/revoke', { token }, { basic: agent.basic });
  t.deepEqual(await signed(resource, token), { active: false });
});

test('the Accept header is weighed: JSON where it is liked as much or better, and by default', async t => {
  const { app, resource, token } = await world(t);
  for (const [accept, type] of [
    ['application/json', 'application/json'],
    ['*/*', 'application/json'],
    ['text/html', 'application/json'],
    [`application/json, ${SIGNED};q=0.5`, 'application/json'],
    [`${SIGNED};q=0`, 'application/json'],
    [`application/json;q=0.5, ${SIGNED}`, SIGNED],
    [`${SIGNED}, application/json`, SIGNED],
    [SIGNED.toUpperCase(), SIGNED],
  ] as const) {
    t.is((await ask(app, resource, token, accept)).headers.get('content-type'), type, accept);
  }
});

test('R062: without credentials there is no signature either, and the error is JSON', async t => {
  const { app, token } = await world(t);
  const answer = await app.post('/introspect', { token }, { headers: { Accept: SIGNED } });
  t.is(answer.status, 401);
  t.is(answer.json.error, 'invalid_client');
});

test('R058: a signed response is no token: not for the admin API, not for introspection', async t => {
  const { app } = await world(t);
  const owner = await addPerson(app);
  const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
  const agent = await addAgent(app, owner, resource);
  const token = await getToken(app, agent, resource);
  const response = (await ask(app, resource, token)).text;
  t.is((await introspect(app, resource, response)).text, '{"active":false}');
  for (const scheme of ['Bearer', 'DPoP']) {
    const call = await fetch(`${app.base}/api/v1/agents`, {
      headers: { Authorization: `${scheme} ${response}` },
    });
    t.is(call.status, 401, scheme);
  }
  await app.post('/revoke', { token: response }, { basic: agent.basic });
  t.true((await introspect(app, resource, token)).json.active);
});

test('metadata names the algorithm of signed responses', async t => {
  const { app } = await world(t);
  const url = `${app.base}/.well-known/oauth-authorization-server`;
  const metadata = (await (await fetch(url)).json()) as Record<string, unknown>;
  t.deepEqual(metadata['introspection_signing_alg_values_supported'], ['ES256']);
});
