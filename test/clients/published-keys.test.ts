/** Clients whose keys are at a jwks_uri: over real HTTPS, with the clock held. */
import test, { type ExecutionContext } from 'ava';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose';
import { startKeyHost } from '../support/key-host.ts';
import {
  type Answer,
  type App,
  addAgent,
  addPerson,
  addResource,
  heldDeadline,
  presenting,
  signAssertion,
  startApp,
} from '../support/start-app.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Pair {
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

async function newKey(kid: string | undefined, alg = 'ES256'): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, publicJwk: { ...(await exportJWK(publicKey)), ...(kid !== undefined && { kid }) } };
}

async function world(t: ExecutionContext, headers: Record<string, string> = {}) {
  const key = await newKey('one');
  const host = await startKeyHost(t, { document: { keys: [key.publicJwk] }, headers });
  const start = Date.now();
  const clock = { offset: 0 };
  const deadline = heldDeadline();
  const app = await startApp(t, { env: host.env, clock: () => start + clock.offset, deadline });
  const resource = await addResource(app);
  const owner = await addPerson(app);
  const credential = { method: 'private_key_jwt', jwksUri: host.uri };
  const agent = await addAgent(app, owner, resource, { credential });
  const ask = async (signer: Pair = key, header: Record<string, unknown> = {}): Promise<Answer> => {
    const { kid } = signer.publicJwk;
    const by = { id: agent.id, privateKey: signer.privateKey };
    const assertion = await signAssertion(app, by, {}, { ...(kid !== undefined && { kid }), ...header });
    return app.post('/token', {
      grant_type: 'client_credentials',
      resource: resource.identifier,
      ...presenting(assertion),
    });
  };
  return { app, host, key, ask, clock, deadline, owner, resource, agent };
}

const reasons = async (app: App, type: string): Promise<(string | undefined)[]> =>
  (await app.trail()).filter(event => event.type === type).map(event => event.reason);

test('an agent whose keys are at a jwks_uri gets tokens, and the host is asked once', async t => {
  const { ask, host } = await world(t);
  t.is((await ask()).status, 200);
  for (let n = 0; n < 5; n += 1) t.is((await ask()).status, 200);
  t.is(host.asked(), 1);
});

test('many requests at once ask the host once', async t => {
  const { ask, host } = await world(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
  t.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  t.is(host.asked(), 1);
});

test('a resource server may have its keys there too', async t => {
  const { app, host, key } = await world(t);
  const credential = { method: 'private_key_jwt', jwksUri: host.uri };
  const { id } = await addResource(app, { credential });
  const assertion = await signAssertion(app, { id, privateKey: key.privateKey }, {}, { kid: 'one' });
  const answer = await app.post('/introspect', { token: 'x', ...presenting(assertion) });
  t.is(answer.text, '{"active":false}');
});

test('keys are kept for 5 minutes where the host says less or nothing, and for as long as it says', async t => {
  for (const [header, freshMs] of [
    [undefined, 5 * MINUTE],
    ['no-store', 5 * MINUTE],
    ['max-age=1', 5 * MINUTE],
    ['public, max-age=3600', HOUR],
    ['max-age=99999999', 24 * HOUR],
  ] as const) {
    const { ask, host, clock } = await world(t, header === undefined ? {} : { 'Cache-Control': header });
    await ask();
    // Just before they are fetched ahead of time.
    clock.offset = freshMs * 0.79;
    await ask();
    t.is(host.asked(), 1, header);
    clock.offset = freshMs + 1_000;
    await ask();
    t.is(host.asked(), 2, header);
  }
});

test('a busy client never waits: keys are fetched again before they end', async t => {
  const { ask, host, clock } = await world(t);
  await ask();
  host.answer = 'silence';
  clock.offset = 5 * MINUTE * 0.9;
  // Nothing ends the wait for a host that is silent: who waited for it would not be answered.
  t.is((await ask()).status, 200);
  // It is being asked meanwhile.
  while (host.asked() < 2) await new Promise(resolve => setImmediate(resolve));
  t.is(host.asked(), 2);
});

test('a new key is found at once by its kid, and by its signature where it has none', async t => {
  for (const kid of ['two', undefined]) {
    const { ask, host, clock } = await world(t);
    await ask();
    clock.offset = MINUTE + 1_000;
    const next = await newKey(kid);
    host.answer = { document: { keys: [next.publicJwk] } };
    t.is((await ask(next)).status, 200, String(kid));
    t.is(host.asked(), 2);
  }
});

test('whoever makes up kids has the host asked once a minute, no more', async t => {
  const { ask, host, clock } = await world(t);
  await ask();
  const stranger = await newKey('stranger');
  for (let n = 0; n < 10; n += 1) t.is((await ask(stranger)).status, 401);
  t.is(host.asked(), 1);
  clock.offset = MINUTE + 1_000;
  for (let n = 0; n < 10; n += 1) t.is((await ask(stranger)).status, 401);
  t.is(host.asked(), 2);
  t.is((await ask()).status, 200);
});

test('a key that the set has no more proves nothing, once the keys have been fetched again', async t => {
  const { ask, host, clock } = await world(t);
  await ask();
  host.answer = { document: { keys: [] } };
  clock.offset = 6 * MINUTE;
  t.is((await ask()).status, 401);
});

test('when the host is down, keys are good for one hour beyond their time, and the trail says so', async t => {
  const { app, ask, host, clock } = await world(t);
  await ask();
  host.answer = { status: 503 };
  clock.offset = 6 * MINUTE;
  t.is((await ask()).status, 200);
  clock.offset = 64 * MINUTE;
  t.is((await ask()).status, 200);
  clock.offset = 66 * MINUTE;
  const refused = await ask();
  t.is(refused.status, 401);
  t.is(refused.json.error, 'invalid_client');
  t.deepEqual([...new Set(await reasons(app, 'client.keys-refused'))], ['egress-status-not-ok']);
  t.deepEqual(await reasons(app, 'client.authentication-refused'), ['client-keys-unavailable']);

  host.answer = { document: { keys: [(await newKey('one')).publicJwk] } };
  clock.offset = 68 * MINUTE;
  t.is((await ask()).status, 401);
});

test('a host that hangs keeps only its own clients waiting, and only once', async t => {
  const { app, ask, host, owner, resource, deadline } = await world(t);
  host.answer = 'silence';
  const other = await addAgent(app, owner, resource);
  let answered = 0;
  const hanging = Promise.all(
    Array.from({ length: 10 }, async () => {
      const answer = await ask();
      answered += 1;
      return answer;
    }),
  );
  while (host.asked() < 1) await new Promise(resolve => setImmediate(resolve));
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  t.is((await app.post('/token', form, { basic: other.basic })).status, 200);
  t.is(answered, 0);
  deadline.end();
  t.deepEqual([...new Set((await hanging).map(({ status }) => status))], [401]);
  // Nothing ends the wait for the host any more: who asked it again would not be answered.
  t.is((await ask()).status, 401);
  t.is(host.asked(), 1);
  t.deepEqual(await reasons(app, 'client.keys-refused'), ['egress-timed-out']);
});

test('nobody fetches anything for a client that may not act', async t => {
  const { app, ask, host, agent } = await world(t);
  const { killAgent } = await import('../../src/agents/index.ts');
  await killAgent({ agents: app.store, freshness: app.store }, agent.id, app.origin());
  t.is((await ask()).status, 401);
  t.is(host.asked(), 0);
});

test('published keys are held to the rules of registered ones, and what else a set has is passed over', async t => {
  const good = await newKey('good');
  const certified = { ...(await newKey('certified')).publicJwk, x5c: ['MIIB'], x5t: 'x', nbf: 1 };
  const weak = await exportJWK(
    (await generateKeyPair('PS256', { modulusLength: 2048, extractable: true })).publicKey,
  );
  const unfit: JWK[] = [
    { ...weak, alg: 'RS256', kid: 'other-alg' },
    { ...weak, e: 'Aw', kid: 'other-exponent' },
    { kty: 'EC', crv: 'secp256k1', x: 'A'.repeat(43), y: 'A'.repeat(43), kid: 'other-curve' },
    { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43), kid: 'off-curve' },
    { ...good.publicJwk, use: 'enc', kid: 'encryption' },
    { kty: 'unheard-of' },
    {},
  ];
  const { ask, host, app } = await world(t);
  host.answer = { document: { keys: [...unfit, certified, good.publicJwk], more: true } };
  t.is((await ask(good)).status, 200);
  t.is((await ask({ ...good, publicJwk: { ...good.publicJwk, kid: 'encryption' } })).status, 401);
  t.deepEqual(await reasons(app, 'client.keys-refused'), []);
});

test('a private key in a set is not taken, and the trail says so', async t => {
  const { ask, host, app } = await world(t);
  const leaked = await newKey('leaked');
  const good = await newKey('good');
  host.answer = {
    document: { keys: [{ ...(await exportJWK(leaked.privateKey)), kid: 'leaked' }, good.publicJwk] },
  };
  t.is((await ask(leaked)).status, 401);
  t.is((await ask(good)).status, 200);
  t.deepEqual(await reasons(app, 'client.keys-refused'), ['key-set-has-private-key']);
});

test('what is no key set, or a flood of keys, is not taken', async t => {
  const many = await Promise.all(Array.from({ length: 11 }, (_, n) => newKey(`key-${n}`)));
  const listed = many.map(({ publicJwk }) => publicJwk);
  for (const [document, reason] of [
    ['{"keys":', 'key-set-malformed'],
    ['[]', 'key-set-malformed'],
    [{ keys: {} }, 'key-set-malformed'],
    [{ keys: [null] }, 'key-set-malformed'],
    [{ keys: listed }, 'key-set-too-large'],
    [{ keys: Array.from({ length: 51 }, () => ({})) }, 'key-set-too-large'],
    [{ keys: [{ kty: 'unheard-of' }] }, 'key-set-has-no-fit-key'],
    [' '.repeat(65_537), 'egress-document-too-large'],
  ] as const) {
    const { ask, host, app } = await world(t);
    host.answer = { document };
    t.is((await ask()).status, 401, reason);
    t.deepEqual(await reasons(app, 'client.keys-refused'), [reason]);
  }
});

test('R104: a jwks_uri that leads inside is never fetched unless the operator allows it', async t => {
  const key = await newKey('one');
  const host = await startKeyHost(t, { document: { keys: [key.publicJwk] } });
  const app = await startApp(t);
  const resource = await addResource(app);
  const credential = { method: 'private_key_jwt', jwksUri: host.uri.replace('localhost', '127.0.0.1') };
  const agent = await addAgent(app, await addPerson(app), resource, { credential });
  const by = { id: agent.id, privateKey: key.privateKey };
  const answer = await app.post('/token', {
    grant_type: 'client_credentials',
    resource: resource.identifier,
    ...presenting(await signAssertion(app, by, {}, { kid: 'one' })),
  });
  t.is(answer.status, 401);
  t.is(host.asked(), 0);
  t.deepEqual(await reasons(app, 'client.keys-refused'), ['egress-address-not-permitted']);
});

test('a jwks_uri is one https URL in its canonical spelling, in place of keys', async t => {
  const { app, owner, resource, host, key } = await world(t);
  const register = (credential: Record<string, unknown>): Promise<unknown> =>
    addAgent(app, owner, resource, { credential: { method: 'private_key_jwt', ...credential } });
  for (const jwksUri of [
    'http://idp.example/jwks',
    'https://idp.example',
    'https://IDP.example/jwks',
    'https://idp.example./jwks',
    'https://user@idp.example/jwks',
    'https://idp.example/jwks#x',
    'https://idp.example:443/jwks',
    'https://0x7f.1/jwks',
    'https://idp.example/../jwks',
    `https://idp.example/${'x'.repeat(500)}`,
    'file:///etc/passwd',
    '',
    7,
  ]) {
    await t.throwsAsync(register({ jwksUri }), { message: 'input-invalid' }, String(jwksUri));
  }
  await t.throwsAsync(register({}), { message: 'input-invalid' });
  await t.throwsAsync(register({ jwksUri: host.uri, keys: [key.publicJwk] }), { message: 'input-invalid' });
  await t.notThrowsAsync(register({ jwksUri: 'https://idp.example/keys?agent=7' }));
});

test('the admin API takes a jwksUri and shows it', async t => {
  const { app, owner, resource, host } = await world(t);
  const token = (
    await app.post(
      '/token',
      { grant_type: 'client_credentials', scope: 'agents read' },
      { basic: [app.admin.clientId, app.admin.secret] },
    )
  ).json.access_token;
  const credential = { method: 'private_key_jwt', jwksUri: host.uri };
  const response = await fetch(`${app.base}/api/v1/agents`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({
      name: 'Publishes its keys',
      ownerId: owner.id,
      envelope: [{ resource: resource.identifier, scopes: ['read'] }],
      credential,
    }),
  });
  t.is(response.status, 201);
  t.deepEqual(((await response.json()) as { credential: unknown }).credential, credential);
});
