/** Group P: what is huge, deep, many or slow is refused before it costs much, and costs nobody else anything. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { SLOWEST_PEER } from '../../src/http/listen.ts';
import {
  type App,
  type AppOptions,
  addAgent,
  addPerson,
  addResource,
  heldClock,
  startApp,
} from '../support/start-app.ts';

const FORM = 'application/x-www-form-urlencoded';

async function world(t: ExecutionContext, options: AppOptions = {}) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const resource = await addResource(app);
  const { basic } = await addAgent(app, await addPerson(app), resource);
  const own = { grant_type: 'client_credentials' };
  const admin = await app.post('/token', own, { basic: [app.admin.clientId, app.admin.secret] });
  return {
    app,
    adminToken: admin.json.access_token as string,
    issue: () => app.post('/token', { ...own, resource: resource.identifier }, { basic }),
    basic: `Basic ${Buffer.from(basic.join(':')).toString('base64')}`,
  };
}

/** Opens a connection to a server and writes what it is told to. */
async function open(t: ExecutionContext, app: App, text: string): Promise<Socket> {
  const socket = connect({ host: 'localhost', port: Number(new URL(app.base).port) });
  t.teardown(() => void socket.destroy());
  await once(socket, 'connect');
  // A connection that is dropped may be reset.
  socket.on('error', () => undefined);
  if (text !== '') socket.write(text);
  return socket;
}

test('R143: too large, too deep, too many: a status of 4xx, and the next one is served', async t => {
  const { app, adminToken, basic, issue } = await world(t);
  const json = { Authorization: `Bearer ${adminToken}`, 'Content-Type': 'application/json' };
  const form = { Authorization: basic, 'Content-Type': FORM };
  const parameters = (count: number) => Array.from({ length: count }, (_, index) => `p${index}=1`).join('&');
  const deep = (opening: string, closing: string) => `${opening.repeat(10_000)}1${closing.repeat(10_000)}`;
  const hostile: readonly (readonly [string, string, Readonly<Record<string, string>>, string, number])[] = [
    ['a form over the cap', '/token', form, `scope=${'x'.repeat(70_000)}`, 413],
    ['100,000 parameters', '/token', form, parameters(100_000), 413],
    ['as many parameters as fit', '/token', form, parameters(9_000).slice(0, 65_000), 400],
    ['parameters without names', '/token', form, '&='.repeat(30_000), 400],
    ['escapes that are none', '/token', form, `scope=${'%'.repeat(60_000)}`, 400],
    ['JSON over the cap', '/api/v1/people', json, JSON.stringify({ name: 'x'.repeat(300_000) }), 413],
    ['arrays 10,000 deep', '/api/v1/people', json, deep('[', ']'), 400],
    ['objects 10,000 deep', '/api/v1/people', json, deep('{"a":', '}'), 400],
    ['a deep value in a field', '/api/v1/people', json, `{"name":${deep('[', ']')}}`, 400],
    [
      'as many keys as fit',
      '/api/v1/people',
      json,
      `{${Array.from({ length: 15_000 }, (_, i) => `"k${i}":1`).join()}}`,
      400,
    ],
    ['headers over 16 KiB', '/token', { ...form, 'X-Big': 'x'.repeat(17_000) }, 'grant_type=x', 431],
  ];
  for (const [name, path, headers, body, expected] of hostile) {
    const response = await fetch(`${app.base}${path}`, { method: 'POST', headers, body });
    await response.arrayBuffer();
    t.is(response.status, expected, name);
    t.is((await issue()).status, 200, name);
  }
});

test('R143: what is too large is refused while most of it has not been sent', async t => {
  const { app, adminToken, basic, issue } = await world(t);
  const { host } = new URL(app.issuer);
  const headOf = (path: string, authorization: string, type: string, length: string) =>
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nContent-Type: ${type}\r\n${length}\r\n\r\n`;
  const token = headOf.bind(undefined, '/token', basic, FORM);
  const people = headOf.bind(undefined, '/api/v1/people', `Bearer ${adminToken}`, 'application/json');
  const announced = 'Content-Length: 10000000000';
  const chunked = 'Transfer-Encoding: chunked';
  const chunk = (size: number) => `${size.toString(16)}\r\n${' '.repeat(size)}\r\n`;
  for (const [name, sent] of [
    ['a form whose length is announced', token(announced) + ' '.repeat(70_000)],
    ['a form in chunks', token(chunked) + chunk(70_000)],
    ['JSON whose length is announced', people(announced) + ' '.repeat(300_000)],
    ['JSON in chunks', people(chunked) + chunk(300_000)],
  ] as const) {
    const socket = await open(t, app, sent);
    let answer = '';
    // Whoever waited for the rest would not answer: it never comes.
    while (!answer.includes('\r\n\r\n')) {
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      answer += bytes.toString('latin1');
    }
    t.regex(answer, /^HTTP\/1\.1 413 /, name);
    socket.destroy();
  }
  t.is((await issue()).status, 200);
});

const SLOW_SOCKETS = 200;
/** What a slow peer sends first, and then byte by byte. */
const SLOW: readonly string[] = [
  '',
  'POST /token HTTP/1.1\r\nHost: x\r\nX-',
  `POST /token HTTP/1.1\r\nHost: HOST\r\nContent-Type: ${FORM}\r\nContent-Length: 60000\r\n\r\ngrant_type=`,
  `POST /token HTTP/1.1\r\nHost: HOST\r\nContent-Type: ${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n`,
];

test('R144: slow sockets are dropped, however they keep themselves alive, and others are served meanwhile', async t => {
  // Long enough for those who are not slow, also on a machine that is.
  const slowest = { headersMs: 3_000, requestMs: 4_000, lookEveryMs: 100 };
  const { app, issue } = await world(t, { slowest });
  const { host } = new URL(app.issuer);
  const sockets: Socket[] = [];
  const dropped: Promise<void>[] = [];
  for (let index = 0; index < SLOW_SOCKETS; index += 1) {
    const socket = await open(t, app, (SLOW[index % SLOW.length] ?? '').replace('HOST', host));
    sockets.push(socket.resume());
    dropped.push(new Promise<void>(resolve => socket.once('close', () => resolve())));
  }
  const drip = setInterval(() => {
    // The silent ones stay silent; the others send just enough to look alive.
    sockets.forEach(
      (socket, index) => void (index % SLOW.length > 0 && socket.writable && socket.write('1')),
    );
  }, 50);
  t.teardown(() => clearInterval(drip));
  t.is((await issue()).status, 200, 'while all of them are there');
  await Promise.all(dropped);
  t.is((await issue()).status, 200);
});

test('R144: a slow socket has gone within 15 s', t => {
  const { headersMs, requestMs, lookEveryMs } = SLOWEST_PEER;
  t.true(Math.max(headersMs, requestMs) + lookEveryMs <= 15_000);
});
