/** Group F: DPoP (RFC 9449), on the machine endpoints and the admin API. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { decodeJwt, exportJWK, type JWK } from 'jose';
import { killAgent, updateAgent } from '../../src/agents/index.ts';
import { verifyDpopProof } from '../../src/clients/dpop-proof.ts';
import { DpopNonces } from '../../src/clients/index.ts';
import { athOf, newProofKey, type ProofKey, signProof } from '../support/dpop.ts';
import {
  type Answer,
  type App,
  type AppOptions,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  heldClock,
  introspect,
  presenting,
  signAssertion,
  startApp,
  startAppIn,
} from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

async function world(t: ExecutionContext, options: AppOptions = {}) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const key = await newProofKey();
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const ask = (dpop?: string, more: Record<string, string> = {}, by = agent): Promise<Answer> =>
    app.post(
      '/token',
      { ...form, ...more },
      { basic: by.basic, ...(dpop !== undefined && { headers: { DPoP: dpop } }) },
    );
  return { app, owner, resource, agent, key, form, ask };
}

const reasonsOf = async (app: App, type: string): Promise<(string | undefined)[]> =>
  (await app.trail()).filter(event => event.type === type).map(event => event.reason);

/** A JWT whose signature is right for nobody. */
function forged(header: object, claims: object, signature = 'AAAA'): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${encode(header)}.${encode(claims)}.${signature}`;
}

test('R049: a proof that is wrong in any part is invalid_dpop_proof, and no token comes of it', async t => {
  const { app, agent, key, ask } = await world(t);
  const other = await newProofKey();
  const seconds = Math.floor(app.now() / 1000);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const privateJwk = await exportJWK(key.privateKey);
  const sign = (claims: Record<string, unknown>, header: Record<string, unknown> = {}) =>
    signProof(app, key, claims, header);
  const wrong: Record<string, string> = {
    'empty segments': '..',
    'no JWT': 'proof',
    'two segments': 'e30.e30',
    'five segments': 'e30.e30.e30.e30.e30',
    'too long': `${await sign({})}${'A'.repeat(9_000)}`,
    'two proofs': `${await sign({})}, ${await sign({})}`,
    'typ JWT': await sign({}, { typ: 'JWT' }),
    'typ at+jwt': await sign({}, { typ: 'at+jwt' }),
    'no typ': await sign({}, { typ: undefined }),
    'typ in capitals': await sign({}, { typ: 'DPOP+JWT' }),
    'alg none': forged({ typ: 'dpop+jwt', alg: 'none', jwk: key.publicJwk }, {}),
    'alg of another key': forged({ typ: 'dpop+jwt', alg: 'EdDSA', jwk: key.publicJwk }, {}),
    'alg RS256': forged(
      { typ: 'dpop+jwt', alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) },
      {},
      'A'.repeat(342),
    ),
    'no jwk': await sign({}, { jwk: undefined }),
    'jwk of another key': await sign({}, { jwk: other.publicJwk }),
    'a private key in jwk': await sign({}, { jwk: privateJwk }),
    'a symmetric key in jwk': forged(
      { typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } },
      { jti: '1' },
    ),
    'a point off the curve': await sign({}, { jwk: { ...key.publicJwk, y: 'A'.repeat(43) } }),
    'another spelling of the key': await sign({}, { jwk: respelt(key.publicJwk) }),
    jku: await sign({}, { jku: 'https://keys.example' }),
    x5c: await sign({}, { x5c: ['MIIB'] }),
    crit: forged({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.publicJwk, crit: ['exp'] }, {}),
    'no jti': await sign({ jti: undefined }),
    'empty jti': await sign({ jti: '' }),
    'jti too long': await sign({ jti: 'x'.repeat(257) }),
    'jti a number': await sign({ jti: 7 }),
    'no htm': await sign({ htm: undefined }),
    'htm GET': await sign({ htm: 'GET' }),
    'htm in small letters': await sign({ htm: 'post' }),
    'no htu': await sign({ htu: undefined }),
    'htu of another endpoint': await sign({ htu: `${app.issuer}/introspect` }),
    'htu of another host': await sign({ htu: 'https://elsewhere.example/token' }),
    'htu with a user name': await sign({ htu: `${app.issuer.replace('://', '://a@')}/token` }),
    'htu without scheme': await sign({ htu: '/token' }),
    'htu with another slash': await sign({ htu: `${app.issuer}/token/` }),
    'no iat': await sign({ iat: undefined }),
    'iat text': await sign({ iat: String(seconds) }),
    'iat stale': await sign({ iat: seconds - 62 }),
    // Far enough ahead to be so still when it is sent.
    'iat in the future': await sign({ iat: seconds + 600 }),
    'iat in milliseconds': await sign({ iat: app.now() }),
    'signature of another key': await signProof(app, { ...other, publicJwk: key.publicJwk }),
    'signature cut': (await sign({})).slice(0, -4),
    'claims exchanged': exchanged(await sign({}), await sign({})),
    'signed with the public key as a secret': hmacForged(key),
  };
  for (const [what, proof] of Object.entries(wrong)) {
    const answer = await ask(proof);
    t.is(answer.status, 400, what);
    t.is(answer.json.error, 'invalid_dpop_proof', what);
    t.is(answer.json.access_token, undefined, what);
    t.is(answer.headers.get('cache-control'), 'no-store', what);
  }
  t.deepEqual(await app.store.listTokens(agent.id, 10), []);
  t.deepEqual([...new Set(await reasonsOf(app, 'client.dpop-refused'))].sort(), [
    'dpop-claims-malformed',
    'dpop-header-not-permitted',
    'dpop-method-wrong',
    'dpop-proof-malformed',
    'dpop-signature-wrong',
    'dpop-time-outside-window',
    'dpop-url-wrong',
  ]);
  t.is((await ask(await sign({}))).status, 200);
});

test('R049: what a proof may look like is taken: query, fragment, other spellings, a minute either way', async t => {
  const { app, key, ask } = await world(t);
  const seconds = Math.floor(app.now() / 1000);
  for (const claims of [
    { htu: `${app.issuer}/token?x=1` },
    { htu: `${app.issuer}/token#x` },
    { htu: `${app.issuer.replace('http://localhost', 'HTTP://LocalHost')}/token` },
    { htu: `${app.issuer}/a/../t%6Fken/../token` },
    { iat: seconds - 50 },
    { iat: seconds + 50 },
    { iat: seconds + 0.5 },
    { more: 'claims', ath: 'x' },
  ]) {
    t.is((await ask(await signProof(app, key, claims))).status, 200, JSON.stringify(claims));
  }
  const header = { kid: 'anything', cty: 'json', x5t: 'dGh1bWJwcmludA' };
  t.is((await ask(await signProof(app, key, {}, header))).status, 200, 'what else a header says');
});

test('R049: the URL that a proof names is the one of configuration, in whichever spelling', async t => {
  const app = { issuer: 'https://auth.example/agents', now: Date.now };
  const key = await newProofKey();
  const verify = async (htu: string): Promise<string> => {
    const nonces = new DpopNonces(Buffer.alloc(32));
    const request = { method: 'POST', url: `${app.issuer}/token` };
    const proof = await signProof(app, key, { htu });
    return verifyDpopProof(proof, { ...request, nonces, nonceRequired: false, now: Date.now() }).jkt;
  };
  for (const htu of ['https://auth.example:443/agents/token', 'https://AUTH.example/agents/token?a#b']) {
    t.is(await verify(htu), key.jkt, htu);
  }
  for (const htu of [
    'https://auth.example/token',
    'http://auth.example/agents/token',
    'https://auth.example:444/agents/token',
  ]) {
    await t.throwsAsync(verify(htu), { message: 'dpop-url-wrong' }, htu);
  }
});

for (const alg of ['ES256', 'EdDSA', 'Ed25519', 'PS256']) {
  test(`R051: a token is bound to the key of its proof, signed with ${alg}: record, introspection, answer`, async t => {
    const { app, resource, ask } = await world(t);
    const key = await newProofKey(alg);
    const answer = await ask(await signProof(app, key));
    t.is(answer.status, 200);
    t.is(answer.json.token_type, 'DPoP');
    const live = (await introspect(app, resource, answer.json.access_token)).json;
    t.deepEqual(live.cnf, { jkt: key.jkt });
    t.is(live.token_type, 'DPoP');
  });
}

test('R051: a JWT access token carries the key that it is bound to', async t => {
  const { app, owner, key } = await world(t);
  const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
  const agent = await addAgent(app, owner, resource);
  const answer = await app.post(
    '/token',
    { grant_type: 'client_credentials', resource: resource.identifier },
    { basic: agent.basic, headers: { DPoP: await signProof(app, key) } },
  );
  t.deepEqual(decodeJwt(answer.json.access_token)['cnf'], { jkt: key.jkt });
  t.deepEqual((await introspect(app, resource, answer.json.access_token)).json.cnf, { jkt: key.jkt });
});

test('a token that was asked for without a proof is a bearer token, as ever', async t => {
  const { app, resource, ask } = await world(t);
  const answer = await ask();
  t.is(answer.json.token_type, 'Bearer');
  const live = (await introspect(app, resource, answer.json.access_token)).json;
  t.is(live.token_type, 'Bearer');
  t.false('cnf' in live);
});

onEachStore(
  'R050: a proof is taken once, also after a restart, and by whoever sends it',
  async (t, store) => {
    const { app, owner, resource, agent, key, ask } = await world(t, { env: store });
    const proof = await signProof(app, key);
    t.is((await ask(proof)).status, 200);
    const second = await ask(proof);
    t.is(second.status, 400);
    t.is(second.json.error, 'invalid_dpop_proof');
    const thief = await addAgent(app, owner, resource);
    t.is((await ask(proof, {}, thief)).json.error, 'invalid_dpop_proof');
    t.deepEqual(await app.store.listTokens(thief.id, 10), []);
    t.deepEqual(await reasonsOf(app, 'client.dpop-refused'), ['dpop-proof-replayed', 'dpop-proof-replayed']);
    t.is((await ask(await signProof(app, key))).status, 200);

    await app.stop();
    const env = { ...store, COUNTERSIGN_PORT: new URL(app.issuer).port };
    const restarted = await startAppIn(app.directory, { env, clock: app.now });
    t.teardown(() => restarted.stop());
    const form = { grant_type: 'client_credentials', resource: resource.identifier };
    const again = (dpop: string): Promise<Answer> =>
      restarted.post('/token', form, { basic: agent.basic, headers: { DPoP: dpop } });
    t.is((await again(proof)).json.error, 'invalid_dpop_proof');
    t.is((await again(await signProof(restarted, key))).status, 200);
  },
);

onEachStore('R050: of many requests with one proof, one gets a token', async (t, store) => {
  const { app, agent, key, ask } = await world(t, { env: store });
  const proof = await signProof(app, key);
  const answers = await Promise.all(Array.from({ length: 25 }, () => ask(proof)));
  t.is(answers.filter(({ status }) => status === 200).length, 1);
  t.is(answers.filter(({ json }) => json.error === 'invalid_dpop_proof').length, 24);
  t.is((await app.store.listTokens(agent.id, 10)).length, 1);
});

whateverTheStore(
  'R050: proof and assertion are told apart: whichever was used before is named, and both are used up',
  async (t, store) => {
    const { app, owner, resource, key, form } = await world(t, { env: store });
    const agent = await addKeyAgent(app, owner, resource);
    const ask = (assertion: string, dpop: string): Promise<Answer> =>
      app.post('/token', { ...form, ...presenting(assertion) }, { headers: { DPoP: dpop } });
    const [first, second, third] = [
      await signAssertion(app, agent),
      await signAssertion(app, agent),
      await signAssertion(app, agent),
    ];
    const proof = await signProof(app, key);
    t.is((await ask(first, proof)).status, 200);
    t.is((await ask(second, proof)).json.error, 'invalid_dpop_proof');
    // The second assertion was used up by being presented, although no token came of it.
    t.is((await ask(second, await signProof(app, key))).json.error, 'invalid_client');
    t.is((await ask(first, proof)).json.error, 'invalid_client');
    t.is((await ask(third, await signProof(app, key))).status, 200);
  },
);

test('R050: a proof is used up by a request that is refused for something else', async t => {
  const { app, key, ask } = await world(t);
  const proof = await signProof(app, key);
  t.is((await ask(proof, { scope: 'unheard-of' })).json.error, 'invalid_scope');
  t.is((await ask(proof)).json.error, 'invalid_dpop_proof');
});

test('a proof that is remembered no longer is too old to be taken', async t => {
  const clock = heldClock();
  const { app, key, ask } = await world(t, { clock });
  const proof = await signProof(app, key);
  t.is((await ask(proof)).status, 200);
  clock.pass(63_000);
  while ((await app.store.sweep()) > 0);
  t.is((await ask(proof)).json.error, 'invalid_dpop_proof');
  t.deepEqual([...new Set(await reasonsOf(app, 'client.dpop-refused'))], ['dpop-time-outside-window']);
});

test('R052: revocation of a bound token needs no proof, and ends it', async t => {
  const { app, resource, agent, key, ask } = await world(t);
  const token = (await ask(await signProof(app, key))).json.access_token;
  t.is((await app.post('/revoke', { token }, { basic: agent.basic })).status, 200);
  t.is((await introspect(app, resource, token)).text, '{"active":false}');
});

whateverTheStore(
  'an agent that needs DPoP gets no token without a proof, and what it held before is dead',
  async (t, store) => {
    const { app, resource, agent, key, ask } = await world(t, { env: store });
    const unbound = (await ask()).json.access_token;
    const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
    const updated = await updateAgent(deps, agent.id, 1, { dpop: 'required' }, app.origin());
    t.is((await introspect(app, resource, unbound)).text, '{"active":false}');
    const refused = await ask();
    t.is(refused.status, 400);
    t.is(refused.json.error, 'invalid_dpop_proof');
    t.deepEqual(await reasonsOf(app, 'token.issue-refused'), ['dpop-required']);
    const bound = (await ask(await signProof(app, key))).json.access_token;
    t.true((await introspect(app, resource, bound)).json.active);

    // To need it no longer takes nothing from anybody.
    await updateAgent(deps, agent.id, updated.version, { dpop: null }, app.origin());
    t.true((await introspect(app, resource, bound)).json.active);
    t.is((await ask()).status, 200);
  },
);

test('a killed agent gets nothing for a right proof either', async t => {
  const { app, agent, key, ask } = await world(t);
  await killAgent({ agents: app.store, freshness: app.store }, agent.id, app.origin());
  t.is((await ask(await signProof(app, key))).json.error, 'invalid_client');
});

test('metadata names the algorithms of proofs', async t => {
  const app = await startApp(t);
  const metadata = (await (
    await fetch(`${app.base}/.well-known/oauth-authorization-server`)
  ).json()) as Record<string, unknown>;
  t.deepEqual(metadata['dpop_signing_alg_values_supported'], ['ES256', 'EdDSA', 'PS256', 'Ed25519']);
});

test('nonces: where they are required, a proof without one is told which to use', async t => {
  const clock = heldClock();
  const { app, owner, resource, key, form, ask } = await world(t, {
    env: { COUNTERSIGN_DPOP_NONCES: 'required' },
    clock,
  });
  const challenged = await ask(await signProof(app, key));
  t.is(challenged.status, 400);
  t.is(challenged.json.error, 'use_dpop_nonce');
  const nonce = challenged.headers.get('dpop-nonce') ?? '';
  t.regex(nonce, /^[A-Za-z0-9_-]{22}$/);
  for (const wrong of ['', 'x', nonce.toLowerCase(), `${nonce}A`]) {
    const answer = await ask(await signProof(app, key, { nonce: wrong }));
    t.is(answer.json.error, 'use_dpop_nonce', wrong);
    t.truthy(answer.headers.get('dpop-nonce'));
  }
  t.is((await ask(await signProof(app, key, { nonce }))).status, 200);

  // To be asked for a nonce uses up no assertion, and is no refusal for the trail.
  const agent = await addKeyAgent(app, owner, resource);
  const assertion = presenting(await signAssertion(app, agent));
  const withAssertion = async (claims: Record<string, unknown>): Promise<Answer> =>
    app.post('/token', { ...form, ...assertion }, { headers: { DPoP: await signProof(app, key, claims) } });
  t.is((await withAssertion({})).json.error, 'use_dpop_nonce');
  t.is((await withAssertion({ nonce })).status, 200);
  t.deepEqual(await reasonsOf(app, 'client.dpop-refused'), []);

  // A minute later it is taken still, with the next one; two minutes later it is not.
  clock.pass(60_000);
  const older = await ask(await signProof(app, key, { nonce }));
  t.is(older.status, 200);
  const next = older.headers.get('dpop-nonce') ?? '';
  t.not(next, nonce);
  const current = await ask(await signProof(app, key, { nonce: next }));
  t.is(current.status, 200);
  t.is(current.headers.get('dpop-nonce'), null);
  clock.pass(60_000);
  t.is((await ask(await signProof(app, key, { nonce }))).json.error, 'use_dpop_nonce');
});

test('nonces: where they are optional, none is needed, and a wrong one is not passed over', async t => {
  const { app, key, ask } = await world(t);
  const plain = await ask(await signProof(app, key));
  t.is(plain.status, 200);
  t.is(plain.headers.get('dpop-nonce'), null);
  t.is((await ask(await signProof(app, key, { nonce: 'made up' }))).json.error, 'use_dpop_nonce');
});

test('R051: the admin API takes a bound token with a proof of its key, and in no other way', async t => {
  const { app, key } = await world(t);
  const basic = [app.admin.clientId, app.admin.secret] as const;
  const issue = async (dpop?: string): Promise<string> =>
    (
      await app.post(
        '/token',
        { grant_type: 'client_credentials', scope: 'read' },
        { basic, ...(dpop !== undefined && { headers: { DPoP: dpop } }) },
      )
    ).json.access_token;
  const bound = await issue(await signProof(app, key));
  const unbound = await issue();
  const path = '/api/v1/agents';
  const rightClaims = { htm: 'GET', htu: `${app.issuer}${path}`, ...athOf(bound) };
  const call = async (scheme: string, token: string, dpop?: string): Promise<Response> =>
    fetch(`${app.base}${path}`, {
      headers: { Authorization: `${scheme} ${token}`, ...(dpop !== undefined && { DPoP: dpop }) },
    });
  const prove = (claims: Record<string, unknown> = {}, by: ProofKey = key): Promise<string> =>
    signProof(app, by, { ...rightClaims, ...claims });

  t.is((await call('DPoP', bound, await prove())).status, 200);
  t.is((await call('dpop', bound, await prove({ htu: `${app.issuer}${path}?limit=1` }))).status, 200);

  const other = await newProofKey();
  const refused: Record<string, Promise<Response>> = {
    'bearer without proof': call('Bearer', bound),
    'bearer with proof': call('Bearer', bound, await prove()),
    'no proof': call('DPoP', bound),
    'another key': call('DPoP', bound, await prove({}, other)),
    'no ath': call('DPoP', bound, await prove({ ath: undefined })),
    'ath of another token': call('DPoP', bound, await prove(athOf(unbound))),
    'another method': call('DPoP', bound, await prove({ htm: 'POST' })),
    'another path': call('DPoP', bound, await prove({ htu: `${app.issuer}/api/v1/people` })),
    'a proof for the token endpoint': call('DPoP', bound, await signProof(app, key, athOf(bound))),
    stale: call('DPoP', bound, await prove({ iat: Math.floor(app.now() / 1000) - 120 })),
    'an unbound token with a proof': call('DPoP', unbound, await prove(athOf(unbound))),
  };
  for (const [what, response] of Object.entries(refused)) {
    const { status, headers } = await response;
    t.is(status, 401, what);
    const scheme = what.startsWith('an unbound') ? /^Bearer .*error="invalid_token"/ : /^DPoP .*error="/;
    t.regex(headers.get('www-authenticate') ?? '', scheme, what);
  }

  const once = await prove();
  t.is((await call('DPoP', bound, once)).status, 200);
  const again = await call('DPoP', bound, once);
  t.is(again.status, 401);
  t.regex(again.headers.get('www-authenticate') ?? '', /error="invalid_dpop_proof", algs="ES256 /);
  t.is((await call('Bearer', unbound)).status, 200);
});

test('R051: the admin API asks for a nonce where nonces are required', async t => {
  const { app, key } = await world(t, { env: { COUNTERSIGN_DPOP_NONCES: 'required' } });
  const basic = [app.admin.clientId, app.admin.secret] as const;
  const ask = async (nonce?: string): Promise<Answer> =>
    app.post(
      '/token',
      { grant_type: 'client_credentials', scope: 'read' },
      { basic, headers: { DPoP: await signProof(app, key, { nonce }) } },
    );
  const nonce = (await ask()).headers.get('dpop-nonce') ?? '';
  const token = (await ask(nonce)).json.access_token;
  const call = async (claims: Record<string, unknown>): Promise<Response> =>
    fetch(`${app.base}/api/v1/agents`, {
      headers: {
        Authorization: `DPoP ${token}`,
        DPoP: await signProof(app, key, {
          htm: 'GET',
          htu: `${app.issuer}/api/v1/agents`,
          ...athOf(token),
          ...claims,
        }),
      },
    });
  const challenged = await call({});
  t.is(challenged.status, 401);
  t.regex(challenged.headers.get('www-authenticate') ?? '', /^DPoP .*error="use_dpop_nonce"/);
  t.is((await call({ nonce: challenged.headers.get('dpop-nonce') })).status, 200);
});

/** The same point of the curve with the two spare bits of a coordinate set: another thumbprint, if it were taken. */
function respelt(jwk: JWK): JWK {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const x = jwk.x ?? '';
  return { ...jwk, x: x.slice(0, -1) + alphabet[alphabet.indexOf(x.slice(-1)) + 1] };
}

function exchanged(one: string, other: string): string {
  const [header, , signature] = one.split('.');
  return [header, other.split('.')[1], signature].join('.');
}

/** HS256 with the bytes of the public key: what a library would take that lets the header choose how. */
function hmacForged({ publicJwk }: ProofKey): string {
  const input = forged({ typ: 'dpop+jwt', alg: 'HS256', jwk: publicJwk }, { jti: '1' }, '').slice(0, -1);
  return `${input}.${createHmac('sha256', JSON.stringify(publicJwk)).update(input).digest('base64url')}`;
}
