import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Egress, type EgressOptions } from '../../src/egress/index.ts';
import type { Refused } from '../../src/errors.ts';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from '../config/tls-pair.ts';
import { heldDeadline } from '../support/start-app.ts';
import { INTERNAL_NAMES, ssrfUrls } from './ssrf-corpus.ts';

const PLAIN: EgressOptions = { allowedHosts: [], allowedNetworks: [], deadline: heldDeadline() };
const LOCAL: EgressOptions = { ...PLAIN, allowedHosts: ['localhost'], extraCa: TLS_CERTIFICATE };
const MOST_PER_HOST = 4;
const JSON_DOCUMENT = { mediaTypes: ['application/json'], maxBytes: 1_000 };

async function listen(t: ExecutionContext, server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', socket => sockets.add(socket));
  await new Promise<void>(resolve => server.listen(0, host, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const serveTls = (t: ExecutionContext, answer: RequestListener): Promise<number> =>
  listen(t, createServer({ cert: TLS_CERTIFICATE, key: TLS_PRIVATE_KEY }, answer), 'localhost');

function refusal(t: ExecutionContext, work: Promise<unknown>): Promise<string> {
  return work.then(
    () => t.fail('it was fetched') as never,
    (error: Refused) => error.reason,
  );
}

test('a document comes back with its bytes and how long it may be kept', async t => {
  const port = await serveTls(t, (request, response) => {
    t.is(request.headers['accept'], 'application/json');
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Cache-Control', 'max-age=60');
    response.end('{}');
  });
  const { body, cacheControl } = await new Egress(LOCAL).fetchDocument(
    `https://localhost:${port}/jwks?v=1`,
    JSON_DOCUMENT,
  );
  t.is(body.toString(), '{}');
  t.is(cacheControl, 'max-age=60');
});

test('R104: no spelling of an internal address, and no name that leads to one, reaches the canary', async t => {
  let hits = 0;
  const canary = createTcpServer(socket => {
    hits += 1;
    socket.destroy();
  });
  const port = await listen(t, canary, '::');
  const named = async (name: string): Promise<readonly string[]> => INTERNAL_NAMES[name] ?? [];
  const options = { ...PLAIN, resolve: { byDns: named, bySystem: named } };
  const egress = new Egress(options);
  const urls = ssrfUrls().map(url => url.replaceAll('PORT', String(port)));
  t.true(urls.length >= 200, String(urls.length));
  const reasons = new Map<string, number>();
  for (const url of urls) {
    const reason = await refusal(t, egress.fetchDocument(url, JSON_DOCUMENT));
    t.not(reason, 'egress-connection-failed', url);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  t.is(hits, 0);
  t.log(urls.length, Object.fromEntries(reasons));

  // The canary sings: with the check taken away by configuration, it is reached.
  const allowing = new Egress({ ...options, allowedHosts: ['localhost'] });
  await refusal(t, allowing.fetchDocument(`https://localhost:${port}/`, JSON_DOCUMENT));
  t.true(hits > 0);
});

test('only a plain https URL is fetched, also from a host that is allowed', async t => {
  let hits = 0;
  const port = await listen(
    t,
    createTcpServer(socket => {
      hits += 1;
      socket.destroy();
    }),
    'localhost',
  );
  for (const url of [
    `http://localhost:${port}/`,
    `ftp://localhost:${port}/`,
    `https://user@localhost:${port}/`,
    `https://:secret@localhost:${port}/`,
    `https://localhost:${port}/#part`,
    `https://localhost.:${port}/`,
    `https://localhost:${port}/${'x'.repeat(2_048)}`,
    `localhost:${port}`,
  ]) {
    const reason = await refusal(t, new Egress(LOCAL).fetchDocument(url, JSON_DOCUMENT));
    t.is(reason, 'egress-url-not-permitted', url);
  }
  t.is(hits, 0);
});

test('metadata addresses are never reached, whatever is allowed', async t => {
  const everything = [
    { address: '0.0.0.0', prefixLength: 0, family: 'ipv4' },
    { address: '::', prefixLength: 0, family: 'ipv6' },
  ] as const;
  const named = async (): Promise<readonly string[]> => ['169.254.169.254'];
  const egress = new Egress({
    ...PLAIN,
    allowedNetworks: everything,
    allowedHosts: ['metadata.internal', '169.254.169.254', '[fd00:ec2::254]'],
    resolve: { byDns: named, bySystem: named },
  });
  for (const host of [
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '[fd00:ec2::254]',
    '[fd20:ce::254]',
    '[::ffff:169.254.169.254]',
    '[64:ff9b::a9fe:a9fe]',
    '[2002:a9fe:a9fe::]',
    'metadata.internal',
  ]) {
    const reason = await refusal(t, egress.fetchDocument(`https://${host}/latest`, JSON_DOCUMENT));
    t.is(reason, 'egress-address-not-permitted', host);
  }
});

test('an allowed host is exactly that name; an allowed network is any name that leads there', async t => {
  const port = await serveTls(t, (_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end('{}');
  });
  const named = async (): Promise<readonly string[]> => ['127.0.0.1', '::1'];
  const resolve = { byDns: named, bySystem: named };
  const ask = (options: Partial<EgressOptions>, host: string): Promise<unknown> =>
    new Egress({ ...LOCAL, allowedHosts: [], resolve, ...options }).fetchDocument(
      `https://${host}:${port}/`,
      JSON_DOCUMENT,
    );
  await t.notThrowsAsync(ask({ allowedHosts: ['localhost'] }, 'localhost'));
  for (const host of ['localhost.', 'sub.localhost', 'localhost.example', '127.0.0.1']) {
    await t.throwsAsync(ask({ allowedHosts: ['localhost'] }, host), undefined, host);
  }
  const loopback = [
    { address: '127.0.0.0', prefixLength: 8, family: 'ipv4' },
    { address: '::1', prefixLength: 128, family: 'ipv6' },
  ] as const;
  await t.notThrowsAsync(ask({ allowedNetworks: loopback }, 'localhost'));
  // Only one of its two addresses is allowed: it is refused whole.
  const half = await refusal(t, ask({ allowedNetworks: loopback.slice(0, 1) }, 'localhost'));
  t.is(half, 'egress-address-not-permitted');
});

test('a name that changes its address between check and connection gains nothing', async t => {
  let atSecond = 0;
  let lookups = 0;
  const port = await serveTls(t, (_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end('{}');
  });
  const second = createTcpServer(socket => {
    atSecond += 1;
    socket.destroy();
  });
  await new Promise<void>(resolve => second.listen(port, '127.0.0.2', resolve));
  t.teardown(() => second.close());
  const turning = async (): Promise<readonly string[]> => {
    lookups += 1;
    return lookups === 1 ? ['127.0.0.1'] : ['127.0.0.2'];
  };
  const egress = new Egress({ ...LOCAL, resolve: { byDns: turning, bySystem: turning } });
  await egress.fetchDocument(`https://localhost:${port}/`, JSON_DOCUMENT);
  t.is(lookups, 1);
  t.is(atSecond, 0);

  // The other way round: public while it was registered, internal now.
  const rebound = new Egress({ ...PLAIN, resolve: { byDns: turning, bySystem: turning } });
  const reason = await refusal(t, rebound.fetchDocument(`https://idp.example:${port}/`, JSON_DOCUMENT));
  t.is(reason, 'egress-address-not-permitted');
  t.is(atSecond, 0);
});

test('a redirect is not followed, and nothing but 200 is taken', async t => {
  const paths: (string | undefined)[] = [];
  const port = await serveTls(t, (request, response) => {
    paths.push(request.url);
    response.writeHead(Number(request.url?.slice(1)), {
      Location: '/200',
      'Content-Type': 'application/json',
    });
    response.end('{}');
  });
  const egress = new Egress(LOCAL);
  for (const status of ['201', '204', '206', '301', '302', '303', '307', '308', '404', '500']) {
    const url = `https://localhost:${port}/${status}`;
    t.is(await refusal(t, egress.fetchDocument(url, JSON_DOCUMENT)), 'egress-status-not-ok', status);
  }
  t.false(paths.includes('/200'));
});

test('another media type, a compressed body and a body over the cap are refused', async t => {
  const port = await serveTls(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'https://localhost');
    for (const [name, value] of searchParams) response.setHeader(name, value);
    if (pathname === '/flood') {
      // Without an announced length: what arrives is counted.
      const pour = (): void => {
        while (response.write('x'.repeat(10_000)));
      };
      response.on('drain', pour);
      pour();
    } else response.end('x'.repeat(Number(pathname.slice(1))));
  });
  const ask = (path: string): Promise<unknown> =>
    new Egress(LOCAL).fetchDocument(`https://localhost:${port}${path}`, JSON_DOCUMENT);
  t.is(await refusal(t, ask('/?Content-Type=text/html')), 'egress-content-type-wrong');
  t.is(await refusal(t, ask('/')), 'egress-content-type-wrong');
  const gzip = '/?Content-Type=application/json&Content-Encoding=gzip';
  t.is(await refusal(t, ask(gzip)), 'egress-content-type-wrong');
  t.is(await refusal(t, ask('/flood?Content-Type=application/json')), 'egress-document-too-large');
  t.is(await refusal(t, ask('/1001?Content-Type=application/json')), 'egress-document-too-large');
  await t.notThrowsAsync(ask('/1000?Content-Type=application/json'));
});

test('a certificate that nobody trusted vouches for is refused, and one for another name too', async t => {
  const port = await serveTls(t, (_request, response) => response.end('{}'));
  const ask = (options: EgressOptions, host: string): Promise<unknown> =>
    new Egress(options).fetchDocument(`https://${host}:${port}/`, JSON_DOCUMENT);
  const untrusted = await t.throwsAsync<Refused>(ask({ ...LOCAL, extraCa: undefined }, 'localhost'));
  t.is(untrusted?.reason, 'egress-connection-failed');
  t.is(untrusted?.detail.hint, 'DEPTH_ZERO_SELF_SIGNED_CERT');
  const named = async (): Promise<readonly string[]> => ['127.0.0.1', '::1'];
  const elsewhere = { ...LOCAL, allowedHosts: ['idp.example'], resolve: { byDns: named, bySystem: named } };
  const misnamed = await t.throwsAsync<Refused>(ask(elsewhere, 'idp.example'));
  t.is(misnamed?.detail.hint, 'ERR_TLS_CERT_ALTNAME_INVALID');
});

test('whoever is silent, at whichever point, is left within the time', async t => {
  const deadline = heldDeadline();
  const options = { ...LOCAL, deadline };
  /** The time is up when it has come to the point of silence. */
  let reached = Promise.withResolvers<void>();
  const leftAt = async (point: string, egress: Egress, url: string): Promise<void> => {
    reached = Promise.withResolvers();
    const refused = refusal(t, egress.fetchDocument(url, JSON_DOCUMENT));
    await reached.promise;
    deadline.end();
    t.is(await refused, 'egress-timed-out', point);
  };
  const mute = await listen(
    t,
    createTcpServer(() => reached.resolve()),
    'localhost',
  );
  const neverAnswers = await serveTls(t, () => reached.resolve());
  const neverEnds = await serveTls(t, (_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.write('{', () => reached.resolve());
  });
  for (const [point, port] of Object.entries({ mute, neverAnswers, neverEnds })) {
    await leftAt(point, new Egress(options), `https://localhost:${port}/`);
  }
  const forever = (): Promise<never> => {
    reached.resolve();
    return new Promise(() => undefined);
  };
  const nameless = new Egress({ ...options, resolve: { byDns: forever, bySystem: forever } });
  await leftAt('the name', nameless, 'https://idp.example/');
});

test('where nobody says when, the time that is configured is up by itself', async t => {
  const neverAnswers = await serveTls(t, () => undefined);
  const egress = new Egress({ ...LOCAL, deadline: undefined, timeoutMs: 20 });
  const url = `https://localhost:${neverAnswers}/`;
  t.is(await refusal(t, egress.fetchDocument(url, JSON_DOCUMENT)), 'egress-timed-out');
});

test('a host that hangs takes no more than its share of connections, and keeps nobody else waiting', async t => {
  let open = 0;
  let most = 0;
  const full = Promise.withResolvers<void>();
  const hung = await serveTls(t, request => {
    open += 1;
    most = Math.max(most, open);
    if (open === MOST_PER_HOST) full.resolve();
    request.on('close', () => {
      open -= 1;
    });
  });
  const port = await serveTls(t, (_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end('{}');
  });
  const deadline = heldDeadline();
  const egress = new Egress({ ...LOCAL, deadline });
  const hanging = Array.from({ length: 100 }, () =>
    refusal(t, egress.fetchDocument(`https://localhost:${hung}/`, JSON_DOCUMENT)),
  );
  await full.promise;
  await egress.fetchDocument(`https://localhost:${port}/`, JSON_DOCUMENT);
  t.deepEqual(egress.figures, { open: MOST_PER_HOST, waiting: hanging.length - MOST_PER_HOST });
  deadline.end();
  t.deepEqual([...new Set(await Promise.all(hanging))], ['egress-timed-out']);
  t.is(most, MOST_PER_HOST);
  // All of it is given back.
  await egress.fetchDocument(`https://localhost:${port}/`, JSON_DOCUMENT);
});
