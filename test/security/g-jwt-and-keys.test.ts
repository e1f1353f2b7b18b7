/** Group G: JWT access tokens and the keys that sign them. */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import test from 'ava';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import {
  type App,
  type AppOptions,
  addAgent,
  addPerson,
  addResource,
  getToken,
  heldClock,
  introspect,
  startApp,
} from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';
import { twinOf } from '../support/twin.ts';

const INACTIVE = '{"active":false}';

async function world(
  t: Parameters<typeof startApp>[0],
  options: AppOptions = {},
  alg: 'ES256' | 'EdDSA' = 'ES256',
) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg } });
  const agent = await addAgent(app, await addPerson(app), resource);
  return { app, resource, agent, token: await getToken(app, agent, resource) };
}

const jwks = async (app: App): Promise<JSONWebKeySet> =>
  (await (await fetch(`${app.base}/jwks`)).json()) as JSONWebKeySet;

async function administrator(app: App): Promise<Record<string, string>> {
  const form = { grant_type: 'client_credentials', scope: 'keys' };
  const answer = await app.post('/token', form, { basic: [app.admin.clientId, app.admin.secret] });
  return { Authorization: `Bearer ${answer.json.access_token}` };
}

whateverTheStore(
  'R055: the JWKS has public members only, and kid, alg and use on each key',
  async (t, store) => {
    const { app } = await world(t, { env: store });
    const { keys } = await jwks(app);
    t.deepEqual(keys.map(key => key.alg).sort(), ['ES256', 'EdDSA']);
    for (const key of keys) {
      t.regex(key.kid ?? '', /^key_[0-9a-f]{32}$/);
      t.is(key.use, 'sig');
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'sealedPrivateKey'])
        t.false(member in key, member);
    }
  },
);

for (const alg of ['ES256', 'EdDSA'] as const) {
  test(`R056: a JWT access token says what RFC 9068 asks, signed with ${alg}`, async t => {
    const { app, resource, agent, token } = await world(t, {}, alg);
    t.like(decodeProtectedHeader(token), { typ: 'at+jwt', alg });
    const { payload } = await jwtVerify(token, createLocalJWKSet(await jwks(app)), {
      issuer: app.issuer,
      audience: resource.identifier,
      typ: 'at+jwt',
    });
    t.like(payload, {
      iss: app.issuer,
      sub: agent.id,
      client_id: agent.id,
      aud: resource.identifier,
      scope: 'read',
    });
    t.is((payload.exp ?? 0) - (payload.iat ?? 0), 300);
    t.regex(payload.jti ?? '', /^tok_/);
  });
}

whateverTheStore('R067: a JWT is introspected and revoked like an opaque token', async (t, store) => {
  const { app, resource, agent, token } = await world(t, { env: store });
  const live = await introspect(app, resource, token);
  const { iss, sub, aud, exp, iat, jti, client_id, scope } = decodeJwt(token);
  t.deepEqual(live.json, {
    active: true,
    token_type: 'Bearer',
    iss,
    sub,
    aud,
    exp,
    iat,
    jti,
    client_id,
    scope,
  });
  t.is((await introspect(app, resource, String(jti))).text, INACTIVE);
  t.is((await app.post('/revoke', { token }, { basic: agent.basic })).text, '{}');
  t.is((await introspect(app, resource, token)).text, INACTIVE);
});

test('R058: a JWT that we did not sign as an access token is none', async t => {
  const { app, resource, token } = await world(t);
  const [head = '', claims = '', signature = ''] = token.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString());
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const signed = (changed: object) => {
    const input = `${encode(changed)}.${claims}`;
    return `${input}.${sign('sha256', Buffer.from(input), { key: foreign, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
  const publicKey = (await jwks(app)).keys.find(key => key.kid === header.kid);
  const hmacInput = `${encode({ ...header, alg: 'HS256' })}.${claims}`;
  const forged = {
    'no signature': `${encode({ ...header, alg: 'none' })}.${claims}.`,
    'another key': signed(header),
    'another type': `${encode({ ...header, typ: 'JWT' })}.${claims}.${signature}`,
    'an unknown kid': signed({ ...header, kid: `key_${'0'.repeat(32)}` }),
    'no kid': signed({ alg: 'ES256', typ: 'at+jwt' }),
    'a key in the header': signed({ ...header, jwk: publicKey }),
    'HS256 with the public key': `${hmacInput}.${createHmac('sha256', JSON.stringify(publicKey)).update(hmacInput).digest('base64url')}`,
    'changed claims': `${head}.${encode({ ...decodeJwt(token), scope: 'read write' })}.${signature}`,
    'a second spelling of the signature': `${token}=`,
    'a part more': `${token}.x`,
  };
  for (const [name, value] of Object.entries(forged))
    t.is((await introspect(app, resource, value)).text, INACTIVE, name);
  t.true((await introspect(app, resource, token)).json.active);
});

test('R067: the twin of a JWT’s signature makes no second token: it lives and dies as the one that it is', async t => {
  const { app, resource, agent, token } = await world(t);
  const twin = twinOf(token);
  t.not(twin, token);
  t.is((await introspect(app, resource, twin)).text, (await introspect(app, resource, token)).text);
  await app.post('/revoke', { token: twin }, { basic: agent.basic });
  for (const value of [token, twin]) t.is((await introspect(app, resource, value)).text, INACTIVE);
});

onEachStore(
  'I7: a killed signing key takes its tokens along, leaves the JWKS, and another one signs on',
  async (t, store) => {
    const { app, resource, agent, token } = await world(t, { env: store });
    const { kid } = decodeProtectedHeader(token);
    const headers = await administrator(app);
    const killed = await fetch(`${app.base}/api/v1/keys/${kid}/kill`, { method: 'POST', headers });
    t.is(killed.status, 200);
    t.is((await introspect(app, resource, token)).text, INACTIVE);
    t.false((await jwks(app)).keys.some(key => key.kid === kid));
    // Not for want of the key alone: whoever kept it, such as a guard, learns that what it signed is dead.
    t.is(app.store.epochs.raisedTo(String(kid)), 1);

    const next = await getToken(app, agent, resource);
    t.not(decodeProtectedHeader(next).kid, kid);
    t.true((await introspect(app, resource, next)).json.active);
    const types = (await app.trail()).map(event => event.type);
    t.is(types.filter(type => type === 'key.killed').length, 1);
    const unknown = await fetch(`${app.base}/api/v1/keys/key_${'0'.repeat(32)}/kill`, {
      method: 'POST',
      headers,
    });
    t.is(unknown.status, 404);
  },
);
