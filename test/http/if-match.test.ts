/** `If-Match` is evaluated wherever it is sent (RFC 9110 section 13.1.1). */
import test from 'ava';
import { type App, addAgent, addPerson, addResource, heldClock, startApp } from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';

async function world(t: Parameters<typeof startApp>[0], env = {}) {
  const app = await startApp(t, { env, clock: heldClock() });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const basic = [app.admin.clientId, app.admin.secret] as const;
  const token = (await app.post('/token', { grant_type: 'client_credentials' }, { basic })).json.access_token;
  const call = async (method: string, path: string, ifMatch?: string, body?: unknown) => {
    const response = await fetch(`${app.base}/api/v1${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(ifMatch !== undefined && { 'If-Match': ifMatch }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: JSON.parse(await response.text()) };
  };
  return { app, owner, resource, agent, call };
}

const done = async (app: App): Promise<number> =>
  (await app.trail()).filter(({ outcome }) => outcome === 'done').length;

onEachStore(
  'kill, restore, retire and secrets are not done to another version than was meant',
  async (t, env) => {
    const { app, owner, resource, agent, call } = await world(t, env);
    const [key] = (await call('GET', '/keys')).json.items;
    const secretOf = async (path: string): Promise<string> =>
      (await call('GET', `${path}/secrets`)).json.items[0].id;
    const agents = `/agents/${agent.id}`;
    const resources = `/resources/${resource.id}`;
    const people = `/people/${owner.id}`;
    const paths = [
      `${agents}/secrets`,
      `${agents}/secrets/${await secretOf(agents)}/revoke`,
      `${agents}/tokens/revoke`,
      `${agents}/kill`,
      `${agents}/restore`,
      `${agents}/retire`,
      `${resources}/secrets`,
      `${resources}/secrets/${await secretOf(resources)}/revoke`,
      `${resources}/kill`,
      `${resources}/restore`,
      `${people}/invite`,
      `${people}/kill`,
      `${people}/restore`,
      `/keys/${key.id}/retire`,
      `/keys/${key.id}/kill`,
    ];
    const before = await done(app);
    for (const path of paths) {
      for (const stale of ['"7"', 'W/"1"', '"7", "8", W/"1"', '"x"']) {
        const answer = await call('POST', path, stale);
        t.is(answer.status, 412, `${path} ${stale}`);
        t.regex(answer.json.type, /#version-changed$/);
      }
    }
    t.is(await done(app), before, 'nothing was done');

    // The one there is, one of several, or any: then it is done.
    t.is((await call('POST', `${agents}/kill`, '"1"')).json.status, 'suspended');
    t.is((await call('POST', `${agents}/kill`, '"1"')).status, 412, 'also where there is nothing left to do');
    t.is((await call('POST', `${agents}/restore`, '"1", W/"7" , "2"')).json.status, 'active');
    t.is((await call('POST', `${agents}/secrets`, '*')).status, 201);
    t.is((await call('POST', `${agents}/retire`, '"4"')).json.status, 'retired');
    t.is((await call('POST', `${people}/kill`, '"1"')).json.status, 'disabled');
    t.is((await call('POST', `${resources}/kill`, '*')).json.status, 'disabled');
    t.is((await call('POST', `/keys/${key.id}/kill`, '"1"')).json.status, 'killed');
  },
);

test('a change may name any version, or one of several', async t => {
  const { agent, call } = await world(t);
  const path = `/agents/${agent.id}`;
  t.is((await call('PATCH', path, '*', { name: 'A' })).json.version, 2);
  t.is((await call('PATCH', path, '"1", "2"', { name: 'B' })).json.version, 3);
  t.is((await call('PATCH', path, ',"3",,', { name: 'C' })).json.version, 4);
  t.is((await call('PATCH', path, '"1", "2"', { name: 'D' })).status, 412);
  t.is((await call('GET', path)).json.name, 'C');
});

test('what is no single record has no version: only * holds there', async t => {
  const { app, owner, call } = await world(t);
  const before = await done(app);
  for (const [method, path, body] of [
    ['POST', '/people', { name: 'Ada' }],
    ['POST', '/keys/rotate', { alg: 'ES256' }],
    ['GET', '/people', undefined],
    ['GET', '/me', undefined],
  ] as const) {
    t.is((await call(method, path, '"1"', body)).status, 412, path);
  }
  t.is(await done(app), before);
  t.is((await call('POST', '/people', '*', { name: 'Ada' })).status, 201);
  t.is((await call('GET', '/people', '*')).status, 200);
  t.is((await call('GET', `/people/${owner.id}`, '"1"')).status, 200);
  t.is((await call('GET', `/people/${owner.id}`, '"2"')).status, 412);
  t.is((await call('POST', `/agents/agt_${'9'.repeat(32)}/kill`, '"1"')).status, 404);
});
