/** What pages take and refuse, over HTTP, from a browser that sends whatever it likes. */
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { issueEnrolment, requestToken } from '../../src/people/index.ts';
import { askForMore } from '../support/elevations.ts';
import { codeOf, PASSWORD } from '../support/people.ts';
import { openCaller } from '../support/server-process.ts';
import { addAgent, addPerson, addResource, heldClock, startApp } from '../support/start-app.ts';
import { enrol, Visitor } from '../support/visitor.ts';

const MOST_BYTES = 40_000;

test('R080: pages are in nobody’s frame or cache, load and run nothing from elsewhere, and fit into 40 kB', async t => {
  const app = await startApp(t, { clock: heldClock() });
  const visitor = new Visitor(app);
  const { person } = await enrol(app, visitor);
  const resource = await addResource(app);
  const agent = await addAgent(app, person, resource);
  const { elevation } = await askForMore(app, agent, resource, { reason: 'W'.repeat(600) });
  const paths = [
    '/sign-in',
    '/me',
    '/me/password',
    '/me/delegations/new',
    `/me/delegations/new?agent=${agent.id}`,
    '/approvals',
    `/approvals/${elevation.id}`,
    '/step-up',
    '/signed-out',
    '/enrol/nothing',
  ];
  for (const path of paths) {
    const { headers, text } = await visitor.get(path);
    const policy = headers.get('content-security-policy') ?? '';
    t.regex(policy, /default-src 'none'.*frame-ancestors 'none'.*base-uri 'none'/, path);
    t.false(/unsafe|\*|https?:/.test(policy), path);
    t.is(headers.get('referrer-policy'), 'no-referrer');
    t.is(headers.get('cache-control'), 'no-store');
    t.is(headers.get('x-content-type-options'), 'nosniff');
    t.false(/<script(?![^>]* src=)|<style| style=| on\w+=/.test(text), path);
    const assets = [...text.matchAll(/(?:href|src)="([^"]*\/assets\/[^"]+)"/g)].map(([, url = '']) => url);
    t.true(assets.length >= 2, path);
    let bytes = gzipSync(text).length;
    for (const url of new Set(assets)) {
      const asset = await visitor.get(url);
      t.is(asset.status, 200, url);
      t.regex(asset.headers.get('cache-control') ?? '', /immutable/);
      bytes += gzipSync(asset.text).length;
    }
    t.true(bytes <= MOST_BYTES, `${path}: ${bytes}`);
  }
});

test('R080: over https the cookies are bound to the host, out of reach of scripts, and go nowhere else', async t => {
  // Behind a proxy that ends TLS: the issuer says that it is https.
  const issuer = 'https://auth.example/tenant';
  const app = await startApp(t, { env: { COUNTERSIGN_ISSUER: issuer } });
  const caller = openCaller(Number(new URL(app.base).port), issuer);
  t.teardown(() => caller.close());
  const { headers, text } = await caller.call('GET', '/tenant/sign-in');
  const [cookie = ''] = headers.getSetCookie();
  t.regex(cookie, /^__Host-countersign-form=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
  t.regex(text, /action="\/tenant\/sign-in"/);
});

test('R116: every cookie of every page is bound to this very host, over https alone, and no script reads it', async t => {
  const issuer = 'https://auth.example';
  const time = heldClock();
  const app = await startApp(t, { clock: time, env: { COUNTERSIGN_ISSUER: issuer } });
  const lines: string[] = [];
  // Behind a proxy that ends TLS.
  const caller = openCaller(Number(new URL(app.base).port), issuer);
  t.teardown(() => caller.close());
  const visitor = new Visitor(app, async (method, url, headers, body) => {
    const answer = await caller.call(method, url.slice(app.base.length), {
      headers,
      ...(body !== undefined && { body }),
    });
    lines.push(...answer.headers.getSetCookie());
    return answer;
  });
  const { email, seed } = await enrol(app, visitor);
  time.pass(60_000);
  await visitor.get('/me');
  await visitor.submit('/sign-out');
  await visitor.get('/sign-in');
  await visitor.submit('/sign-in', { email, password: PASSWORD });
  await visitor.get('/sign-in/factor');
  await visitor.submit('/sign-in/factor', { code: codeOf(seed, app.now()) });
  const names = new Set<string>();
  for (const line of lines) {
    const [pair = '', ...attributes] = line.split('; ');
    names.add(pair.split('=')[0] ?? '');
    const ends = attributes.filter(each => each !== 'Max-Age=0');
    // No Domain, and no time: the browser keeps it to this host, and forgets it when it is closed.
    t.deepEqual(ends.toSorted(), ['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'], line);
  }
  t.deepEqual(
    [...names].toSorted(),
    ['enrolment', 'form', 'session', 'sign-in'].map(name => `__Host-countersign-${name}`),
  );
});

test('R116: a form of another site, without a token, of another action or of another session changes nothing', async t => {
  const time = heldClock();
  const app = await startApp(t, { clock: time });
  const visitor = new Visitor(app);
  const { person } = await enrol(app, visitor);
  const agent = await addAgent(app, person, await addResource(app));
  const stop = `/me/agents/${agent.id}/stop`;
  await visitor.get('/me');
  const { request_token: token = '' } = visitor.hiddenFields(stop);
  t.regex(token, /^[\w-]{43}$/);
  const own = { Origin: app.issuer, 'Sec-Fetch-Site': 'same-origin' };
  const refused: readonly (readonly [string, Record<string, string>, Record<string, string>])[] = [
    ['another origin', { request_token: token }, { ...own, Origin: 'https://evil.example' }],
    [
      'another origin that hides',
      { request_token: token },
      { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' },
    ],
    ['a hidden origin of which nobody knows', { request_token: token }, { Origin: 'null' }],
    ['the same site, another origin', { request_token: token }, { ...own, 'Sec-Fetch-Site': 'same-site' }],
    ['no origin at all', { request_token: token }, {}],
    ['no token', {}, own],
    ['an empty token', { request_token: '' }, own],
    [
      'the token of another action',
      { request_token: visitor.hiddenFields('/sign-out')['request_token'] ?? '' },
      own,
    ],
  ];
  for (const [what, fields, headers] of refused) {
    const answer = await visitor.send(stop, fields, headers);
    t.is(answer.status, 403, what);
    t.truthy(answer.headers.get('error-ref'), what);
    t.regex(answer.headers.get('content-type') ?? '', /^text\/html/, what);
  }
  const other = new Visitor(app);
  const stranger = await enrol(app, other, ['member'], 'Eve');
  await other.get('/me');
  t.is((await other.send(stop, { request_token: token }, own)).status, 403, 'the token of another session');
  t.is((await app.store.findAgent(agent.id))?.status, 'active');

  // The token of one's own session for an agent of somebody else: there is no such page, and one cannot make the token.
  time.pass(60_000);
  t.is((await other.signIn(stranger.email, stranger.seed, app.now())).status, 303);
  t.is(
    (await visitor.send(stop, { request_token: token }, { Origin: 'null', 'Sec-Fetch-Site': 'same-origin' }))
      .status,
    303,
  );
  t.is((await app.store.findAgent(agent.id))?.status, 'suspended');
});

test('I3: nobody stops the agent of another, and unknown and foreign look alike', async t => {
  const app = await startApp(t, { clock: heldClock() });
  const [ada, eve] = [new Visitor(app), new Visitor(app)];
  const { person } = await enrol(app, ada);
  await enrol(app, eve, ['member'], 'Eve');
  const agent = await addAgent(app, person, await addResource(app));
  await eve.get('/me');
  const session = eve.cookies.get('countersign-session') ?? '';
  const answers = await Promise.all(
    [agent.id, `agt_${'0'.repeat(32)}`].map(async id => {
      const path = `/me/agents/${id}/stop`;
      const { status, text } = await eve.submit(path, { request_token: requestToken(session, path) });
      return { status, text: text.replaceAll(/err_[\w-]+/g, 'REF') };
    }),
  );
  t.is(answers[0]?.status, 404);
  t.deepEqual(answers[0], answers[1]);
  t.is((await app.store.findAgent(agent.id))?.status, 'active');
});

test('an enrolment link that a scanner opens stays good, and stands in no address once it was opened', async t => {
  const app = await startApp(t, { clock: heldClock() });
  const { store } = app;
  const deps = { credentials: store, store, freshness: store, epochs: store.epochs, issuer: app.issuer };
  const { link, value } = await issueEnrolment(deps, await addPerson(app), 'invitation', [], app.origin());
  const before = await app.trail();
  const scanner = new Visitor(app);
  for (let times = 0; times < 3; times += 1) t.is((await scanner.get(link)).status, 200);
  t.deepEqual(await app.trail(), before);
  const visitor = new Visitor(app);
  await visitor.get(link);
  t.is((await visitor.submit('/enrol')).location, '/enrol');
  const { status, text } = await visitor.get('/enrol');
  t.is(status, 200);
  t.false(text.includes(value));
  t.is((await new Visitor(app).get('/enrol')).status, 404, 'another browser has not opened it');
});

test('R094: a session begins anew at each sign-in, ends on the server, and a cookie that somebody planted is not taken over', async t => {
  const time = heldClock();
  const app = await startApp(t, { clock: time });
  const visitor = new Visitor(app);
  const { email, seed } = await enrol(app, visitor);
  const first = visitor.cookies.get('countersign-session');
  t.truthy(first);
  time.pass(60_000);
  const attacker = new Visitor(app);
  attacker.cookies.set('countersign-session', 'x'.repeat(43));
  t.is((await attacker.signIn(email, seed, app.now())).location, '/me');
  const second = attacker.cookies.get('countersign-session') ?? '';
  t.regex(second, /^[\w-]{43}$/);
  t.not(second, 'x'.repeat(43));
  t.not(second, first);
  await attacker.get('/me');
  t.is((await attacker.submit('/sign-out')).location, '/signed-out');
  attacker.cookies.set('countersign-session', second);
  t.regex((await attacker.get('/me')).location ?? '', /^\/sign-in\?next=%2Fme$/);
  t.is((await visitor.get('/me')).status, 200, 'the other session goes on');
  time.pass(15 * 60_000);
  t.is((await visitor.get('/me')).status, 303, 'idle for a quarter of an hour');
});

test('I15: an unknown address, a wrong password and somebody who has never enrolled get the same page', async t => {
  const app = await startApp(t, { clock: heldClock() });
  const { email } = await enrol(app, new Visitor(app));
  const shown = async (address: string) => {
    const visitor = new Visitor(app);
    await visitor.get('/sign-in');
    const { status, text } = await visitor.submit('/sign-in', { email: address, password: 'wrong password' });
    t.is(visitor.cookies.has('countersign-sign-in'), false);
    return { status, text: text.replaceAll(address, 'ADDRESS').replaceAll(/value="[\w-]{43}"/g, '') };
  };
  const wrong = await shown(email);
  t.is(wrong.status, 401);
  t.deepEqual(await shown('nobody@example.com'), wrong);
});

test('nobody is sent to another site by a sign-in, whatever its address says', async t => {
  const time = heldClock();
  const app = await startApp(t, { clock: time });
  const { email, seed } = await enrol(app, new Visitor(app));
  for (const next of [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/me/../..//evil.example',
    '/sign-out',
  ]) {
    time.pass(60_000);
    const visitor = new Visitor(app);
    t.is((await visitor.signIn(email, seed, app.now(), next)).location, '/me', next);
  }
});

test('a form that is no form, too long, or sent twice over is refused and says so', async t => {
  const app = await startApp(t, { clock: heldClock() });
  const visitor = new Visitor(app);
  await visitor.get('/sign-in');
  const own = { Origin: app.issuer, 'Sec-Fetch-Site': 'same-origin' };
  const cookie = [...visitor.cookies].map(pair => pair.join('=')).join('; ');
  const send = (body: string, type = 'application/x-www-form-urlencoded') =>
    fetch(`${app.base}/sign-in`, {
      method: 'POST',
      headers: { ...own, Cookie: cookie, 'Content-Type': type },
      body,
    });
  t.is((await send('{}', 'application/json')).status, 400);
  t.is((await send(`email=${'x'.repeat(70_000)}`)).status, 400);
  t.is((await send('request_token=a&request_token=b')).status, 400);
  t.is((await send('email=%00&password=%F0%28')).status, 403);
});
