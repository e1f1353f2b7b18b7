/** Applications as the admin API registers them: agents that people use in their browser. */
import test from 'ava';
import { createAgent, updateAgent } from '../../src/agents/index.ts';
import { ADMIN_API_RESOURCE_ID } from '../../src/resources/index.ts';
import { type App, addPerson, addResource, startApp } from '../support/start-app.ts';

const REDIRECT = 'https://client.example/callback';

async function register(app: App, more: object) {
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
  const list = [{ resource: resource.identifier, scopes: ['read'] }];
  const input = { name: 'Editor', ownerId: owner.id, envelope: list, baseline: list, ...more };
  return { deps, created: await createAgent(deps, input, app.origin()) };
}

test('an application has redirect URIs that a browser can be sent to safely, and no other', async t => {
  const app = await startApp(t);
  const taken = [
    REDIRECT,
    'http://localhost:3000/callback',
    'http://127.0.0.1/callback?x=1',
    'http://[::1]:80/',
    'cursor://anysphere.cursor-mcp/oauth/callback',
    'com.example.app:/oauth',
  ];
  const { created } = await register(app, {
    application: { redirectUris: taken },
    credential: { method: 'none' },
  });
  t.deepEqual(created.agent.application, { redirectUris: taken });
  t.is(created.secret, undefined);
  const refused = [
    'http://client.example/callback',
    'https://client.example/callback#part',
    'https://user:secret@client.example/',
    'http://localhost.evil.example/',
    'http://localhost@evil.example/',
    'javascript://client.example/%0aalert(1)',
    'data:text/html,x',
    'https://client.example/*',
    'https://client.example\\@evil.example/',
    '/callback',
    '',
  ];
  for (const uri of refused) {
    const input = { application: { redirectUris: [uri] }, credential: { method: 'none' } };
    await t.throwsAsync(register(app, input), { message: 'input-invalid' }, uri);
  }
});

test('only an application may be without a credential, and what an agent is, it is from the start', async t => {
  const app = await startApp(t);
  await t.throwsAsync(register(app, { credential: { method: 'none' } }), {
    message: 'application-not-possible',
  });
  const { deps, created } = await register(app, { credential: { method: 'client_secret' } });
  const change = { application: { redirectUris: [REDIRECT] } };
  await t.throwsAsync(updateAgent(deps, created.agent.id, 1, change, app.origin()), {
    message: 'application-not-possible',
  });
});

test('a redirect URI that is taken away takes the tokens along; one that is added does not', async t => {
  const app = await startApp(t);
  const application = { redirectUris: [REDIRECT, 'http://localhost/callback'] };
  const { deps, created } = await register(app, { application, credential: { method: 'none' } });
  const change = (version: number, redirectUris: readonly string[]) =>
    updateAgent(deps, created.agent.id, version, { application: { redirectUris } }, app.origin());
  t.is((await change(1, [...application.redirectUris, 'https://other.example/'])).epoch, 0);
  t.is((await change(2, [REDIRECT])).epoch, 1);
});

test('an application gets nothing for itself, whatever it is registered with', async t => {
  const app = await startApp(t);
  const { created } = await register(app, {
    application: { redirectUris: [REDIRECT] },
    credential: { method: 'client_secret' },
  });
  const form = { grant_type: 'client_credentials', resource: created.agent.envelope[0]?.resource };
  const answer = await app.post('/token', form, { basic: [created.agent.id, created.secret ?? ''] });
  t.is(answer.status, 400);
  t.is(answer.json.error, 'unauthorized_client');
  t.is((await app.trail()).at(-1)?.reason, 'client-may-not-ask');
});

test('an application of former times is offered nothing of the admin API, which no token of it would ever be for', async t => {
  const app = await startApp(t);
  const { created } = await register(app, {
    application: { redirectUris: [REDIRECT] },
    credential: { method: 'client_secret' },
  });
  const adminApi = await app.store.findResource(ADMIN_API_RESOURCE_ID);
  const own = created.agent.envelope[0]?.resource ?? '';
  // Before it was refused, an administrator could write this.
  const list = [...created.agent.envelope, { resource: adminApi?.identifier ?? '', scopes: ['read'] }];
  const record = { ...created.agent, envelope: list, baseline: list, version: 2 };
  const written = await app.store.commit({
    changes: [{ kind: 'replace', collection: 'agent', record, ifVersion: 1 }],
    events: [],
    authority: { none: 'boot' },
  });
  t.true(written.committed);
  const push = (resource: string) =>
    app.post(
      '/par',
      {
        client_id: created.agent.id,
        response_type: 'code',
        redirect_uri: REDIRECT,
        scope: 'read',
        resource,
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      },
      { basic: [created.agent.id, created.secret ?? ''] },
    );
  const pushed = await push(own);
  t.is(pushed.status, 201, pushed.text);
  const refused = await push(adminApi?.identifier ?? '');
  t.is(refused.status, 400);
  t.is(refused.json.error, 'invalid_target');
});
