/** What machines call in tight loops is called straight from Node.js; with a query, even an empty one, it goes the long way. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import {
  type Answer,
  addAgent,
  addPerson,
  addResource,
  type FormParameters,
  getToken,
  type PostOptions,
  startApp,
} from '../support/start-app.ts';

test('both ways to a machine endpoint answer alike: what is right, each kind of refusal, and what the engine answers', async t => {
  const app = await startApp(t);
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const token = await getToken(app, agent, resource);
  const { basic } = agent;
  const asResource: PostOptions = { basic: [resource.id, resource.secret] };
  const wrong: PostOptions = { basic: [agent.id, 'wrong'] };
  const asked = { grant_type: 'client_credentials', resource: resource.identifier };
  const calls: readonly [path: string, form: FormParameters, options?: PostOptions][] = [
    ['/introspect', { token }, asResource],
    ['/introspect', { token: 'unknown' }, asResource],
    ['/introspect', { token }, { ...asResource, headers: { Accept: 'application/token-introspection+jwt' } }],
    ['/introspect', { token }, wrong],
    ['/introspect', {}, asResource],
    ['/token', asked, { basic }],
    ['/token', asked, wrong],
    ['/token', { ...asked, scope: 'nothing' }, { basic }],
    ['/token', { grant_type: 'unknown' }, { basic }],
    ['/token', { grant_type: 'authorization_code', code: 'unknown' }, { basic }],
    ['/token', 'a=1&a=2', { basic }],
    ['/token', asked, { basic, headers: { Origin: 'https://elsewhere.example' } }],
    ['/token', asked, { basic, headers: { 'Content-Encoding': 'gzip' } }],
    ['/token', asked, { basic, headers: { 'Content-Type': 'application/json' } }],
    ['/token', asked, { basic, headers: { DPoP: 'no proof' } }],
    ['/par', { client_id: 'unknown' }],
    ['/revoke', { token: 'unknown' }, { basic }],
    ['/revoke', { token: 'unknown' }, wrong],
  ];
  for (const [path, form, options] of calls) {
    const what = `${path} ${JSON.stringify(form)} ${JSON.stringify(options?.headers ?? {})}`;
    const direct = await app.post(path, form, options);
    t.deepEqual(shape(direct), shape(await app.post(`${path}?`, form, options)), what);
  }
  const preflight = async (path: string) => {
    const answer = await fetch(`${app.base}${path}`, { method: 'OPTIONS' });
    return { status: answer.status, headers: names(answer.headers), text: await answer.text() };
  };
  t.deepEqual(await preflight('/token'), await preflight('/token?'));
  t.is((await preflight('/token')).status, 204);
  for (const method of ['GET', 'HEAD', 'DELETE']) {
    const refused = await fetch(`${app.base}/introspect`, { method });
    t.deepEqual([refused.status, refused.headers.get('allow')], [405, 'POST, OPTIONS'], method);
  }
});

/** What an answer is, without what is new in each. */
function shape({ status, headers, text }: Answer): object {
  const isJwt = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
  const body = isJwt
    ? 'a JWT'
    : text
        .replace(/"(access_token|error_ref|error_id)":"[^"]+"/g, '"$1":""')
        .replace(/"(iat|exp)":\d+/g, '"$1":0');
  return { status, headers: names(headers), body };
}

function names(headers: Headers): object {
  const own = [...headers].filter(([name]) => !['date', 'error-ref', 'content-length'].includes(name));
  return Object.fromEntries(own);
}

test('whoever goes away before the answer has hurt nobody: what was asked for is done, and others are answered', async t => {
  const logs: string[] = [];
  const app = await startApp(t, { logs });
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const body = new URLSearchParams({ grant_type: 'client_credentials', resource: resource.identifier });
  const issued = async () => (await app.trail()).filter(({ type }) => type === 'token.issued').length;
  const before = await issued();
  // While somebody else writes, the commit waits, and the answer with it.
  const other = new DatabaseSync(`${app.directory}/countersign.sqlite`);
  t.teardown(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  const { hostname, port, host } = new URL(app.base);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(
    [
      'POST /token HTTP/1.1',
      `Host: ${host}`,
      `Authorization: Basic ${Buffer.from(agent.basic.join(':')).toString('base64')}`,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${body.toString().length}`,
      '',
      body.toString(),
    ].join('\r\n'),
  );
  while (app.store.figures.commits.waiting === 0 && app.store.figures.commits.underWaySince === undefined)
    await setTimeout(5);
  socket.resetAndDestroy();
  await once(socket, 'close');
  other.exec('ROLLBACK');
  while ((await issued()) === before) await setTimeout(5);
  t.is((await app.post('/token', body.toString(), { basic: agent.basic })).status, 200);
  t.is(await issued(), before + 2);
  t.deepEqual(
    logs.filter(line => line.includes('request failed')),
    [],
  );
});
