/** Checkpoints leave by https POST: in order, at least once, whatever the receiver does and however often the process ends. */
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type CheckpointDelivery, type DeliveryOptions, startDelivery } from '../../src/audit/index.ts';
import type { Deadline } from '../../src/clock.ts';
import { Egress } from '../../src/egress/index.ts';
import { CHECKPOINT_KEY } from '../config/environments.ts';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from '../config/tls-pair.ts';
import { heldDeadline, startApp } from '../support/start-app.ts';

const NOW = 1_800_000_000_000;
const PATH = '/in/a-secret-in-the-path';

type Behaviour = 'take' | 'refuse' | 'redirect' | 'silence' | 'lose';

interface Receiver {
  readonly url: string;
  readonly port: number;
  /** Bodies that were acknowledged, in order. */
  readonly taken: string[];
  /** Every body that came, acknowledged or not. */
  readonly came: string[];
  readonly requests: { readonly path: string | undefined; readonly contentType: string | undefined }[];
  /** `lose`: it takes the body and ends the connection before it answers. */
  behaviour: Behaviour;
  close(): Promise<void>;
}

async function startReceiver(t: ExecutionContext, port = 0): Promise<Receiver> {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer(
    { cert: TLS_CERTIFICATE, key: TLS_PRIVATE_KEY },
    async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString();
      receiver.came.push(body);
      receiver.requests.push({ path: request.url, contentType: request.headers['content-type'] });
      const { behaviour } = receiver;
      if (behaviour === 'silence') return;
      if (behaviour === 'lose') return void request.socket.destroy();
      if (behaviour === 'refuse') return void response.writeHead(503).end();
      if (behaviour === 'redirect') {
        return void response
          .writeHead(307, { Location: `https://localhost:${receiver.port}/elsewhere` })
          .end();
      }
      receiver.taken.push(body);
      response.writeHead(204).end();
    },
  );
  server.on('connection', socket => sockets.add(socket));
  await new Promise<void>(resolve => server.listen(port, 'localhost', resolve));
  const close = (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    return new Promise(resolve => server.close(() => resolve()));
  };
  t.teardown(close);
  const bound = (server.address() as AddressInfo).port;
  const receiver: Receiver = {
    url: `https://localhost:${bound}${PATH}`,
    port: bound,
    taken: [],
    came: [],
    requests: [],
    behaviour: 'take',
    close,
  };
  return receiver;
}

interface Bench {
  readonly file: string;
  readonly problems: string[];
  recoveries: number;
  /** Appends whole lines and says so. */
  grow(...lines: readonly string[]): Promise<void>;
  start(url: string, overrides?: Partial<DeliveryOptions>): Promise<CheckpointDelivery>;
}

/** An egress that waits for an answer until it is told otherwise. */
function waiting(deadline: Deadline): Egress {
  return new Egress({
    allowedHosts: ['localhost'],
    allowedNetworks: [],
    extraCa: TLS_CERTIFICATE,
    deadline,
  });
}

async function bench(t: ExecutionContext, ...lines: readonly string[]): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-delivery-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'checkpoints.jws');
  await writeFile(file, lines.map(line => `${line}\n`).join(''));
  const running = new Set<CheckpointDelivery>();
  t.teardown(() => Promise.all([...running].map(each => each.stop())));
  const size = async () => (await readFile(file)).length;
  const made: Bench = {
    file,
    problems: [],
    recoveries: 0,
    grow: async (...more) => {
      await appendFile(file, more.map(line => `${line}\n`).join(''));
      for (const each of running) each.wake(await size());
    },
    start: async (url, overrides = {}) => {
      const delivery = await startDelivery(
        {
          file,
          url,
          egress: waiting(heldDeadline()),
          deadline: heldDeadline(),
          now: () => NOW,
          onProblem: error => made.problems.push((error as Error).message),
          onRecovery: () => {
            made.recoveries += 1;
          },
          pauses: { firstMs: 5, longestMs: 20 },
          ...overrides,
        },
        await size(),
      );
      running.add(delivery);
      return {
        ...delivery,
        figures: delivery.figures,
        wake: to => delivery.wake(to),
        stop: () => end(delivery),
      };
    },
  };
  const end = (delivery: CheckpointDelivery): Promise<void> => {
    running.delete(delivery);
    return delivery.stop();
  };
  return made;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5));
}

test('each checkpoint is posted once to a receiver that takes it, in order, as what it is', async t => {
  const receiver = await startReceiver(t);
  const made = await bench(t, 'a', 'b');
  const delivery = await made.start(receiver.url);
  await until(() => receiver.taken.length === 2);
  await made.grow('c');
  await made.grow('d', 'e');
  await until(() => delivery.figures.waitingSince === undefined && receiver.taken.length === 5);
  t.deepEqual(receiver.taken, ['a', 'b', 'c', 'd', 'e']);
  t.deepEqual(receiver.requests[0], {
    path: PATH,
    contentType: 'application/countersign-checkpoint+jwt',
  });
  t.deepEqual(made.problems, []);
  t.like(delivery.figures, { delivered: 5, failed: 0 });
});

test('a restarted process goes on after the last acknowledged checkpoint', async t => {
  const receiver = await startReceiver(t);
  const made = await bench(t, 'a', 'b');
  const first = await made.start(receiver.url);
  await until(() => receiver.taken.length === 2);
  await first.stop();
  await made.grow('c');
  await (await made.start(receiver.url)).stop();
  t.deepEqual(receiver.came, ['a', 'b', 'c']);
});

test('what waits when a process ends is delivered by it, or by the next one', async t => {
  const receiver = await startReceiver(t);
  const made = await bench(t, 'a');
  const first = await made.start(receiver.url);
  await made.grow('b');
  await first.stop();
  t.deepEqual(receiver.taken, ['a', 'b']);
  receiver.behaviour = 'refuse';
  const second = await made.start(receiver.url);
  await made.grow('c', 'd');
  await second.stop();
  t.deepEqual(receiver.taken, ['a', 'b']);
  receiver.behaviour = 'take';
  await (await made.start(receiver.url)).stop();
  t.deepEqual(receiver.taken, ['a', 'b', 'c', 'd']);
});

for (const behaviour of ['refuse', 'redirect', 'silence', 'lose'] as const) {
  test(`R135: a receiver that does not acknowledge gets the same checkpoint again and no later one: ${behaviour}`, async t => {
    const receiver = await startReceiver(t);
    receiver.behaviour = behaviour;
    const made = await bench(t, 'a', 'b');
    const deadline = heldDeadline();
    const delivery = await made.start(receiver.url, { egress: waiting(deadline) });
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await until(() => receiver.came.length >= attempt);
      // Only a receiver that is silent is waited for until the time is up.
      if (behaviour === 'silence' && attempt < 3) deadline.end();
    }
    t.deepEqual([...new Set(receiver.came)], ['a']);
    t.deepEqual([...new Set(receiver.requests.map(({ path }) => path))], [PATH]);
    t.is(delivery.figures.waitingSince, NOW);
    t.is(made.problems.length, 1, 'said once, not at each attempt');
    t.false(made.problems.join().includes(PATH), 'the URL may hold a secret');
    receiver.behaviour = 'take';
    if (behaviour === 'silence') deadline.end();
    await until(() => delivery.figures.waitingSince === undefined);
    t.deepEqual(receiver.taken, ['a', 'b']);
    t.is(made.recoveries, 1);
  });
}

test('a receiver that is down gets everything when it is back', async t => {
  const gone = await startReceiver(t);
  await gone.close();
  const made = await bench(t, 'a', 'b');
  const delivery = await made.start(gone.url);
  await until(() => delivery.figures.failed >= 2);
  await made.grow('c');
  const back = await startReceiver(t, gone.port);
  await until(() => back.taken.length === 3);
  t.deepEqual(back.taken, ['a', 'b', 'c']);
  t.is(made.recoveries, 1);
});

test('nothing leaves before it is durable: a line may still be taken back, or be half a line', async t => {
  const receiver = await startReceiver(t);
  const made = await bench(t, 'a');
  const delivery = await made.start(receiver.url);
  await until(() => receiver.taken.length === 1);
  await appendFile(made.file, 'not yet durable\nhalf a li');
  delivery.wake(2);
  await delivery.stop();
  t.deepEqual(receiver.came, ['a']);
});

test('R135: a file that was cut, or replaced, under a running process is told and delivered from its beginning', async t => {
  const receiver = await startReceiver(t);
  const made = await bench(t, 'aaaa', 'bbbb', 'cccc');
  const delivery = await made.start(receiver.url);
  await until(() => receiver.taken.length === 3);
  await truncate(made.file, 5);
  await made.grow('another-longer-than-what-was-cut');
  await until(() => receiver.taken.length === 5);
  t.deepEqual(receiver.taken.slice(3), ['aaaa', 'another-longer-than-what-was-cut']);
  t.regex(made.problems.join(), /no longer has the checkpoint that was acknowledged last/);
  await delivery.stop();
});

test('another receiver, another file, and a damaged memory each begin at the beginning', async t => {
  const [one, two] = [await startReceiver(t), await startReceiver(t)];
  const made = await bench(t, 'a', 'b');
  await (await made.start(one.url)).stop();
  await (await made.start(two.url)).stop();
  t.deepEqual(
    [one.taken, two.taken],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  );
  await writeFile(`${made.file}.acknowledged`, '{"receiver":');
  await (await made.start(two.url)).stop();
  t.deepEqual(two.taken, ['a', 'b', 'a', 'b']);
  await writeFile(made.file, 'x\ny\n');
  await (await made.start(two.url)).stop();
  t.deepEqual(two.taken.slice(4), ['x', 'y']);
});

test('many and long lines are all delivered, each whole', async t => {
  const receiver = await startReceiver(t);
  const lines = [
    'x'.repeat(300_000),
    ...Array.from({ length: 40 }, (_, index) => `line ${index}`),
    'y'.repeat(600_000),
  ];
  const made = await bench(t, ...lines);
  const delivery = await made.start(receiver.url);
  await until(() => delivery.figures.waitingSince === undefined);
  t.deepEqual(receiver.taken, lines);
});

test('a process that ends does not wait for a receiver that is silent', async t => {
  const receiver = await startReceiver(t);
  receiver.behaviour = 'silence';
  const made = await bench(t, 'a');
  const deadline = heldDeadline();
  // The receiver itself is given all the time in the world.
  const delivery = await made.start(receiver.url, { deadline });
  await until(() => receiver.came.length === 1);
  const stopped = delivery.stop();
  deadline.end();
  await stopped;
  t.deepEqual([receiver.came, receiver.taken], [['a'], []]);
});

test('over HTTPS from a whole server: its checkpoints arrive, the last one when it stops, and readiness and metrics tell when they do not', async t => {
  const receiver = await startReceiver(t);
  const directory = await mkdtemp(join(tmpdir(), 'countersign-delivery-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const [ca, file] = [join(directory, 'ca.pem'), join(directory, 'checkpoints.jws')];
  await writeFile(ca, TLS_CERTIFICATE);
  let now = Date.now();
  const logs: string[] = [];
  receiver.behaviour = 'refuse';
  const app = await startApp(t, {
    clock: () => now,
    logs,
    env: {
      COUNTERSIGN_EGRESS_ALLOW: 'localhost',
      COUNTERSIGN_EGRESS_CA_FILE: ca,
      COUNTERSIGN_AUDIT_CHECKPOINT_FILE: file,
      COUNTERSIGN_AUDIT_CHECKPOINT_KEY: CHECKPOINT_KEY,
      COUNTERSIGN_AUDIT_CHECKPOINT_URL: receiver.url,
    },
  });
  await until(() => receiver.came.length > 0);
  now += 301_000;
  const checks = async () =>
    (await (await fetch(`${app.base}/readyz`)).json()) as { checks: Record<string, unknown> };
  t.is((await checks()).checks['auditDelivery'], 'not delivered');
  receiver.behaviour = 'take';
  await until(() => receiver.taken.length === 1);
  await app.stop();
  const written = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  t.deepEqual(receiver.taken, written);
  t.true(logs.some(line => line.includes('not being delivered')));
  t.true(logs.some(line => line.includes('delivered again')));
  t.false(logs.join().includes(PATH));
});
