/** What an administrator can do to single tokens and secrets. */
import test from 'ava';
import { exportJWK } from 'jose';
import { ProblemError } from '../../src/client/index.ts';
import { adminClient } from '../support/admin-client.ts';
import { newProofKey, type ProofKey } from '../support/dpop.ts';
import {
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  getToken,
  introspect,
  presenting,
  signAssertion,
  startApp,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';

/** As the client takes it: what `jose` exports is wider. */
type NewKey = Parameters<ReturnType<typeof adminClient>['addAgentKey']>[0]['body']['key'];

async function world(t: Parameters<typeof startApp>[0], env: StoreEnv) {
  const app = await startApp(t, { env });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  return { app, api: adminClient(app), owner, resource, agent };
}

onEachStore(
  'the tokens of an agent are listed, newest first, with what ended the dead ones',
  async (t, env) => {
    const { app, api, owner, resource, agent } = await world(t, env);
    const other = await addAgent(app, owner, resource);
    await getToken(app, other, resource);
    const values: string[] = [];
    for (let index = 0; index < 5; index += 1) values.push(await getToken(app, agent, resource));
    const revoked = (await introspect(app, resource, values[1] ?? '')).json.jti;
    await app.post('/revoke', { token: values[1] }, { basic: agent.basic });

    const tokens = [];
    for await (const token of api.listAgentTokens({ id: agent.id, limit: 2 })) tokens.push(token);
    t.is(tokens.length, 5);
    t.is(new Set(tokens.map(({ jti }) => jti)).size, 5);
    for (const token of tokens) {
      t.is(token.clientId, agent.id);
      t.is(token.subject, agent.id);
      t.is(token.resource, resource.identifier);
      t.is(token.scope, 'read');
      t.false(token.isBound);
      const isRevoked = token.jti === revoked;
      t.is(token.status, isRevoked ? 'dead' : 'live');
      t.is(token.endedBy, isRevoked ? revoked : undefined);
    }
    const text = JSON.stringify(tokens);
    for (const value of values) t.false(text.includes(value));

    await api.killAgent({ id: agent.id });
    for await (const { jti, status, endedBy } of api.listAgentTokens({ id: agent.id })) {
      t.is(status, 'dead');
      t.is(endedBy, jti === revoked ? revoked : agent.id);
    }
    const unknown = await t.throwsAsync(api.listAgentTokens({ id: `agt_${'0'.repeat(31)}1` }), {
      instanceOf: ProblemError,
    });
    t.is(unknown?.code, 'agent-unknown');
  },
);

whateverTheStore('one token is read by its jti, and ended without the others', async (t, env) => {
  const { app, api, resource, agent } = await world(t, env);
  const [one = '', other = ''] = [await getToken(app, agent, resource), await getToken(app, agent, resource)];
  const { jti } = (await introspect(app, resource, one)).json;
  t.is((await api.getToken({ jti })).status, 'live');
  const ended = await api.revokeToken({ jti });
  t.is(ended.status, 'dead');
  t.is(ended.endedBy, jti);
  t.false((await introspect(app, resource, one)).json.active);
  t.true((await introspect(app, resource, other)).json.active);
  t.is((await api.revokeToken({ jti })).status, 'dead');
  const rows = (await app.trail()).filter(event => event.type === 'token.revoked');
  t.is(rows.length, 1);
  t.is(rows[0]?.client, app.admin.clientId);
  t.is(rows[0]?.jti, jti);
  const error = await t.throwsAsync(api.getToken({ jti: `tok_${'A'.repeat(43)}` }), {
    instanceOf: ProblemError,
  });
  t.is(error?.status, 404);
});

onEachStore('every token of an agent is ended at once, and it goes on', async (t, env) => {
  const { app, api, resource, agent } = await world(t, env);
  const held = await getToken(app, agent, resource);
  const before = await api.getAgent({ id: agent.id });
  const after = await api.revokeAgentTokens({ id: agent.id });
  t.is(after.status, 'active');
  t.is(after.version, before.version + 1);
  t.false((await introspect(app, resource, held)).json.active);
  t.true((await introspect(app, resource, await getToken(app, agent, resource))).json.active);
});

whateverTheStore(
  'R057: a secret is replaced without a failed request, and the old one ended by name',
  async (t, env) => {
    const { app, api, agent, resource } = await world(t, env);
    const [id, first] = agent.basic;
    const works = async (secret: string) => {
      const form = { grant_type: 'client_credentials', resource: resource.identifier };
      return (await app.post('/token', form, { basic: [id, secret] })).status === 200;
    };
    const { items: initially } = await api.listAgentSecrets({ id });
    t.is(initially.length, 1);
    t.regex(initially[0]?.id ?? '', /^sec_[\w-]{12}$/);
    t.truthy(initially[0]?.createdAt);

    const { secret: second = '' } = await api.issueAgentSecret({ id });
    t.true(await works(first));
    t.true(await works(second));
    const { items } = await api.listAgentSecrets({ id });
    t.is(items.length, 2);
    t.is(items[1]?.id, initially[0]?.id, 'newest first');
    const held = await getToken(app, agent, resource);
    const { credential } = await api.revokeAgentSecret({ id, secret: initially[0]?.id ?? '' });
    t.deepEqual(credential, { method: 'client_secret', secrets: 1 });
    t.false(await works(first));
    t.true(await works(second));
    t.true((await introspect(app, resource, held)).json.active, 'what was got with it lives to its end');

    const again = await t.throwsAsync(api.revokeAgentSecret({ id, secret: initially[0]?.id ?? '' }), {
      instanceOf: ProblemError,
    });
    t.is(again?.code, 'secret-unknown');
    t.deepEqual(again?.permitted, [items[0]?.id]);
    await api.revokeAgentSecret({ id, secret: items[0]?.id ?? '' });
    t.false(await works(second));
    const { secret: third = '' } = await api.issueAgentSecret({ id });
    t.true(await works(third));
  },
);

test('the secrets of a resource server are listed and ended like those of an agent', async t => {
  const { app, api, resource } = await world(t, {});
  const { secret: second = '' } = await api.issueResourceSecret({ id: resource.id });
  const { items } = await api.listResourceSecrets({ id: resource.id });
  await api.revokeResourceSecret({ id: resource.id, secret: items[1]?.id ?? '' });
  const ask = async (secret: string) =>
    (await app.post('/introspect', { token: 'x' }, { basic: [resource.id, secret] })).status;
  t.is(await ask(resource.secret), 401);
  t.is(await ask(second), 200);
});

whateverTheStore(
  'R057: a public key is replaced without a failed request, and the old one ended by name',
  async (t, env) => {
    const { app, api, owner, resource } = await world(t, env);
    const agent = await addKeyAgent(app, owner, resource);
    const { id } = agent;
    const works = async (key: ProofKey | typeof agent) => {
      const assertion = await signAssertion(app, { id, privateKey: key.privateKey });
      const form = { grant_type: 'client_credentials', resource: resource.identifier };
      return (await app.post('/token', { ...form, ...presenting(assertion) })).status === 200;
    };
    const reasonOf = async (call: Promise<unknown>) =>
      (await t.throwsAsync(call, { instanceOf: ProblemError }))?.code;
    const [second, third] = [await newProofKey(), await newProofKey()];
    const key = { ...second.publicJwk, kid: 'second' } as NewKey;

    const [first] = (await api.listAgentKeys({ id })).items;
    t.regex(first?.id ?? '', /^jwk_[\w-]{12}$/);
    t.true(await works(agent));
    await api.addAgentKey({ id, body: { key } });
    t.true(await works(agent));
    t.true(await works(second));
    const { items } = await api.listAgentKeys({ id });
    t.deepEqual(
      items.map(({ kid }) => kid),
      ['second', undefined],
      'newest first',
    );
    t.is(await reasonOf(api.addAgentKey({ id, body: { key } })), 'client-key-registered');
    const namesake = { ...third.publicJwk, kid: 'second' } as NewKey;
    t.is(await reasonOf(api.addAgentKey({ id, body: { key: namesake } })), 'client-key-registered');

    const { credential } = await api.revokeAgentKey({ id, key: first?.id ?? '' });
    t.is('keys' in credential && credential.keys.length, 1);
    t.false(await works(agent));
    t.true(await works(second));
    t.is(await reasonOf(api.revokeAgentKey({ id, key: first?.id ?? '' })), 'client-key-unknown');

    // A third beside the second, and then none that was before both.
    await api.addAgentKey({ id, body: { key: agent.publicJwk as NewKey } });
    await api.addAgentKey({ id, body: { key: third.publicJwk as NewKey } });
    t.deepEqual([await works(second), await works(agent), await works(third)], [false, true, true]);
    const rows = (await app.trail()).filter(({ type }) => type.startsWith('agent.key-'));
    t.deepEqual(
      rows.map(({ type, detail }) => [type, detail?.['key'] === first?.id]),
      [
        ['agent.key-added', false],
        ['agent.key-revoked', true],
        ['agent.key-added', true],
        ['agent.key-added', false],
      ],
    );
  },
);

test('the public keys of a resource server are replaced like those of an agent; who has secrets has no keys', async t => {
  const { app, api, agent } = await world(t, {});
  const [first, second] = [await newProofKey(), await newProofKey()];
  const credential = { method: 'private_key_jwt', keys: [first.publicJwk] };
  const { id } = await addResource(app, { credential });
  const ask = async ({ privateKey }: ProofKey) => {
    const assertion = await signAssertion(app, { id, privateKey });
    return (await app.post('/introspect', { token: 'x', ...presenting(assertion) })).status;
  };
  await api.addResourceKey({ id, body: { key: second.publicJwk as NewKey } });
  t.deepEqual([await ask(first), await ask(second)], [200, 200]);
  const { items } = await api.listResourceKeys({ id });
  await api.revokeResourceKey({ id, key: items[1]?.id ?? '' });
  t.deepEqual([await ask(first), await ask(second)], [401, 200]);

  const body = { key: first.publicJwk as NewKey };
  const refused = await t.throwsAsync(api.addAgentKey({ id: agent.id, body }), { instanceOf: ProblemError });
  t.is(refused?.code, 'credential-takes-no-key');
});

test('I11: a private key in the place of a public one is refused, and not repeated', async t => {
  const { app, owner, resource } = await world(t, {});
  const { id, privateKey } = await addKeyAgent(app, owner, resource);
  const jwk = await exportJWK(privateKey);
  const token = await getToken(
    app,
    { id: app.admin.clientId, basic: [app.admin.clientId, app.admin.secret] },
    {
      ...resource,
      identifier: `${app.issuer}/api`,
    },
  );
  // In small letters alone it does not look like a secret.
  const hex = Buffer.from(String(jwk.d), 'base64url').toString('hex');
  for (const key of [jwk, JSON.stringify(jwk), jwk.d, hex, { ...jwk, kty: hex }]) {
    const answer = await fetch(`${app.base}/api/v1/agents/${id}/keys`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ key }),
    });
    const text = await answer.text();
    t.is(answer.status, 400, text);
    for (const secret of [String(jwk.d), hex]) t.false(text.includes(secret.slice(0, 12)), text);
  }
});

test('a token says what it may do', async t => {
  const { app } = await world(t, {});
  const caller = await adminClient(app).getCaller();
  t.is(caller.clientId, app.admin.clientId);
  t.deepEqual(caller.scopes, ['read', 'agents', 'people', 'kill', 'keys', 'audit']);
  t.deepEqual((await adminClient(app, ['kill']).getCaller()).scopes, ['kill']);
});

test('a retired agent gets no other secret and no other key; what it has can be taken from it', async t => {
  const { app, api, owner, resource, agent } = await world(t, {});
  const keyed = await addKeyAgent(app, owner, resource);
  for (const { id } of [agent, keyed]) await api.retireAgent({ id });
  const key = (await newProofKey()).publicJwk as NewKey;
  for (const add of [
    () => api.issueAgentSecret({ id: agent.id }),
    () => api.addAgentKey({ id: keyed.id, body: { key } }),
  ]) {
    t.is((await t.throwsAsync(add, { instanceOf: ProblemError }))?.code, 'agent-is-retired');
  }
  const [secret] = (await api.listAgentSecrets({ id: agent.id })).items;
  await api.revokeAgentSecret({ id: agent.id, secret: secret?.id ?? '' });
  t.deepEqual((await api.listAgentSecrets({ id: agent.id })).items, []);
});
