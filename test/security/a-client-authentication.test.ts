/** Group A: client authentication. */
import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { killAgent } from '../../src/agents/index.ts';
import {
  type Answer,
  type App,
  type AppOptions,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  heldClock,
  presenting,
  signAssertion,
  startApp,
} from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

const GRANT = { grant_type: 'client_credentials' } as const;

async function world(t: ExecutionContext, options: AppOptions = {}) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const keyAgent = await addKeyAgent(app, owner, resource);
  const ask = { ...GRANT, resource: resource.identifier };
  return { app, owner, resource, agent, keyAgent, ask };
}

function assertInvalidClient(t: ExecutionContext, answer: Answer, message?: string): void {
  t.is(answer.status, 401, message);
  t.is(answer.json?.error, 'invalid_client', message);
  t.is(answer.headers.get('cache-control'), 'no-store', message);
}

/** The reasons with which callers were turned away, in order; alike ones of a minute share a row. */
async function refusals(app: App): Promise<(string | undefined)[]> {
  return (await app.trail())
    .filter(event => event.type === 'client.authentication-refused')
    .map(event => event.reason);
}

whateverTheStore(
  'R001: a wrong secret, an unknown client and a disabled client are answered with the same bytes',
  async (t, store) => {
    const { app, owner, resource, agent, keyAgent, ask } = await world(t, { env: store });
    const disabled = await addAgent(app, owner, resource);
    await killAgent({ agents: app.store, freshness: app.store }, disabled.id, app.origin());
    const secret = agent.basic[1];
    const unknownId = `agt_${'f'.repeat(32)}`;

    const answers = [
      await app.post('/token', ask, { basic: [agent.id, 'x'.repeat(43)] }),
      await app.post('/token', ask, { basic: [unknownId, secret] }),
      await app.post('/token', ask, { basic: ['no-such-form-of-id', secret] }),
      await app.post('/token', ask, { basic: disabled.basic }),
      await app.post('/token', ask, { basic: [keyAgent.id, secret] }),
    ];
    for (const answer of answers) assertInvalidClient(t, answer);
    t.is(new Set(answers.map(answer => answer.text)).size, 1);
    // The trail tells them apart.
    t.deepEqual(await refusals(app), [
      'wrong-secret',
      'unknown-client',
      'unknown-client',
      'client-not-enabled',
      'wrong-auth-method',
    ]);
    t.is((await app.post('/token', ask, { basic: agent.basic })).status, 200);
  },
);

test('R001: the same holds for introspection and revocation', async t => {
  const { app, agent } = await world(t);
  for (const path of ['/introspect', '/revoke']) {
    const wrong = await app.post(path, { token: 'x' }, { basic: [agent.id, 'x'.repeat(43)] });
    const unknown = await app.post(
      path,
      { token: 'x' },
      { basic: [`agt_${'f'.repeat(32)}`, agent.basic[1]] },
    );
    assertInvalidClient(t, wrong);
    t.is(wrong.text, unknown.text);
  }
});

test('R002: credentials in the URL are refused and their secret is in no log', async t => {
  const logs: string[] = [];
  const { app, agent, ask } = await world(t, { logs });
  const [id, secret] = agent.basic;
  const answer = await app.post(`/token?client_id=${id}&client_secret=${secret}`, ask);
  t.true(answer.status >= 400 && answer.status < 500);
  t.is(answer.json.access_token, undefined);
  t.false(answer.text.includes(secret));
  // Right credentials do not make up for it: the secret has leaked to whoever logs URLs.
  const both = await app.post(`/token?client_secret=${secret}`, ask, { basic: agent.basic });
  t.is(both.status, 400);
  t.is(both.json.error, 'invalid_request');
  t.false(logs.join('').includes(secret));
  t.false(JSON.stringify(await app.trail()).includes(secret));
});

whateverTheStore('R003: two ways to authenticate in one request are refused', async (t, store) => {
  const { app, agent, keyAgent, ask } = await world(t, { env: store });
  const [client_id, client_secret] = agent.basic;
  const assertion = presenting(await signAssertion(app, keyAgent));
  const requests = [
    app.post('/token', { ...ask, client_id, client_secret }, { basic: agent.basic }),
    app.post('/token', { ...ask, ...assertion }, { basic: agent.basic }),
    app.post('/token', { ...ask, client_id, client_secret, ...assertion }),
    app.post(
      '/token',
      { ...ask, client_assertion_type: assertion.client_assertion_type },
      { basic: agent.basic },
    ),
  ];
  for (const answer of await Promise.all(requests)) {
    t.is(answer.status, 400);
    t.is(answer.json.error, 'invalid_request');
  }
  // Nothing was spent: the assertion is still good once.
  t.is((await app.post('/token', { ...ask, ...assertion })).status, 200);
});

test('R004: a client registered with a key proves nothing by a secret or by nothing', async t => {
  const { app, keyAgent, ask } = await world(t);
  const answers = [
    await app.post('/token', { ...ask, client_id: keyAgent.id, client_secret: 'y'.repeat(43) }),
    await app.post('/token', ask, { basic: [keyAgent.id, 'y'.repeat(43)] }),
    await app.post('/token', { ...ask, client_id: keyAgent.id }),
    await app.post('/token', ask),
  ];
  for (const answer of answers) assertInvalidClient(t, answer);
  t.deepEqual(await refusals(app), ['wrong-auth-method', 'no-credentials', 'no-credentials']);
  t.is((await app.post('/token', { ...ask, ...presenting(await signAssertion(app, keyAgent)) })).status, 200);
});

test('R005: an assertion is verified with the registered key and algorithm only', async t => {
  const { app, keyAgent, ask } = await world(t);
  const now = Math.floor(app.now() / 1000);
  const claims = {
    iss: keyAgent.id,
    sub: keyAgent.id,
    aud: app.issuer,
    jti: 'r005',
    iat: now,
    exp: now + 60,
  };
  const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forge = (header: object, signer: (input: string) => string) => {
    const input = `${b64(header)}.${b64(claims)}`;
    return `${input}.${signer(input)}`;
  };
  const publicPem = createPublicKey({ key: keyAgent.publicJwk as JsonWebKey, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  });
  const hmac = (input: string) => createHmac('sha256', publicPem).update(input).digest('base64url');
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const foreign = (input: string) =>
    sign('sha256', Buffer.from(input), { key: other.privateKey, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    );
  const jwk = other.publicKey.export({ format: 'jwk' });

  const forged = {
    'alg none': forge({ alg: 'none' }, () => ''),
    'alg none, with a signature': forge({ alg: 'none' }, foreign),
    'HS256 keyed with the public key': forge({ alg: 'HS256' }, hmac),
    'ES256 by another key': forge({ alg: 'ES256' }, foreign),
    'a key of its own in the header': forge({ alg: 'ES256', jwk }, foreign),
    'a key somewhere else': forge({ alg: 'ES256', jku: 'https://evil.example/jwks' }, foreign),
    'another algorithm than registered': forge({ alg: 'EdDSA' }, input =>
      sign(null, Buffer.from(input), ed.privateKey).toString('base64url'),
    ),
    'an unknown kid': await signAssertion(app, keyAgent, {}, { kid: 'unheard-of' }),
    'a critical extension': await signAssertion(app, keyAgent, {}, { b64: true, crit: ['b64'] }),
    'the type of another JWT': await signAssertion(app, keyAgent, {}, { typ: 'at+jwt' }),
    'no JWT at all': 'one.two',
    'nine thousand characters': 'x'.repeat(9_000),
  };
  for (const [name, assertion] of Object.entries(forged)) {
    assertInvalidClient(
      t,
      await app.post('/token', { ...ask, client_id: keyAgent.id, ...presenting(assertion) }),
      name,
    );
  }
});

test('R005, S17: an assertion names itself, us, an end within five minutes, and an identifier', async t => {
  const { app, agent, keyAgent, ask } = await world(t);
  const now = Math.floor(app.now() / 1000);
  const wrong: Record<string, Record<string, unknown>> = {
    'another issuer': { iss: agent.id },
    'another audience': { aud: 'https://elsewhere.example' },
    'the token endpoint as audience': { aud: `${app.issuer}/token` },
    'several audiences': { aud: [app.issuer, 'https://elsewhere.example'] },
    'no audience': { aud: undefined },
    'no end': { exp: undefined },
    'an end in the past': { exp: now - 1, iat: now - 60 },
    'ten years': { exp: now + 315_360_000 },
    'ten minutes': { exp: now + 600, iat: now + 20 },
    'ten minutes from no start': { exp: now + 600, iat: undefined },
    'a start in the future': { nbf: now + 120 },
    'an issue in the future': { iat: now + 120, exp: now + 200 },
    'no identifier': { jti: undefined },
    'an empty identifier': { jti: '' },
  };
  for (const [name, claims] of Object.entries(wrong)) {
    const form = {
      ...ask,
      client_id: keyAgent.id,
      ...presenting(await signAssertion(app, keyAgent, claims)),
    };
    assertInvalidClient(t, await app.post('/token', form), name);
  }
  for (const claims of [{}, { aud: `${app.issuer}/` }, { iat: undefined }, { exp: now + 299 }]) {
    const form = { ...ask, ...presenting(await signAssertion(app, keyAgent, claims)) };
    t.is((await app.post('/token', form)).status, 200, JSON.stringify(claims));
  }
});

whateverTheStore(
  'R006: an assertion is good for one request, whatever came of it and wherever it was sent',
  async (t, store) => {
    const { app, keyAgent, ask } = await world(t, { env: store });
    const once = presenting(await signAssertion(app, keyAgent));
    t.is((await app.post('/token', { ...ask, ...once })).status, 200);
    assertInvalidClient(t, await app.post('/token', { ...ask, ...once }));
    assertInvalidClient(t, await app.post('/introspect', { token: 'x', ...once }));
    assertInvalidClient(t, await app.post('/revoke', { token: 'x', ...once }));

    const refused = presenting(await signAssertion(app, keyAgent));
    t.is((await app.post('/token', { ...ask, scope: 'unheard-of', ...refused })).json.error, 'invalid_scope');
    assertInvalidClient(t, await app.post('/token', { ...ask, ...refused }));
    t.deepEqual(await refusals(app), ['assertion-replayed']);
  },
);

onEachStore(
  'I1: of 50 presentations of one assertion at the same moment exactly one gets a token',
  async (t, store) => {
    const { app, keyAgent, ask } = await world(t, { env: store });
    const form = { ...ask, ...presenting(await signAssertion(app, keyAgent)) };
    const answers = await Promise.all(Array.from({ length: 50 }, () => app.post('/token', form)));
    t.is(answers.filter(answer => answer.status === 200).length, 1);
    t.is(answers.filter(answer => answer.status === 401).length, 49);
  },
);

test('EdDSA and PS256 keys authenticate too', async t => {
  const { app, owner, resource, ask } = await world(t);
  for (const alg of ['EdDSA', 'PS256'] as const) {
    const agent = await addKeyAgent(app, owner, resource, alg);
    const answer = await app.post('/token', {
      ...ask,
      ...presenting(await signAssertion(app, agent, {}, { alg })),
    });
    t.is(answer.status, 200, answer.text);
  }
});
