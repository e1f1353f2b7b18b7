/** What an administrator can do to single tokens and secrets. */
import test from 'ava';
import { ProblemError } from '../../src/client/index.ts';
import { adminClient } from '../support/admin-client.ts';
import { addAgent, addPerson, addResource, getToken, introspect, startApp } from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';

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

test('a token says what it may do', async t => {
  const { app } = await world(t, {});
  const caller = await adminClient(app).getCaller();
  t.is(caller.clientId, app.admin.clientId);
  t.deepEqual(caller.scopes, ['read', 'agents', 'people', 'kill', 'keys', 'audit']);
  t.deepEqual((await adminClient(app, ['kill']).getCaller()).scopes, ['kill']);
});
