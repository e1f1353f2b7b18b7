import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { drive, MOST_REPEATS, type Requests } from '../../bench/load-generator.ts';

/** Answers the requests of one body in turn by these statuses, and then by the last of them. */
async function answering(
  t: ExecutionContext,
  statuses: Readonly<Record<string, readonly [number, ...number[]]>>,
): Promise<Requests & { readonly seen: readonly string[] }> {
  const seen: string[] = [];
  const answer = (body: string, response: ServerResponse): void => {
    const before = seen.filter(each => each === body).length;
    seen.push(body);
    const status = statuses[body]?.[before] ?? statuses[body]?.at(-1) ?? 200;
    response.writeHead(status, { 'Content-Length': 2, 'Retry-After': 0 }).end('ok');
  };
  const server = createServer(async (request, response) => answer(String(await request.toArray()), response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const isExpected = (body: string): boolean => body === 'ok';
  return { port, host: 'localhost', path: '/token', bodies: ['a', 'b', 'c'], isExpected, seen };
}

test('what a server cannot answer at the moment is sent again, counted, and answered in its own place', async t => {
  const answered: number[] = [];
  const requests = await answering(t, { b: [503, 503, 200] });
  const onAnswer = (_: string, index: number): void => void answered.push(index);
  const { repeated, latenciesMs } = await drive({ ...requests, onAnswer }, 1);
  t.is(repeated, 2);
  t.deepEqual(requests.seen, ['a', 'b', 'b', 'b', 'c']);
  t.deepEqual(answered, [0, 1, 2]);
  t.is(latenciesMs.length, 3);
});

test('other requests go on while one is sent again, and whatever is never answered rightly ends the run', async t => {
  const patient = await answering(t, { a: [503, 200] });
  t.is((await drive(patient, 3)).repeated, 1);
  t.deepEqual(patient.seen.toSorted(), ['a', 'a', 'b', 'c']);
  const unavailable = await answering(t, { c: [503] });
  await t.throwsAsync(drive(unavailable, 1), { message: '/token answered 503 ok' });
  t.is(unavailable.seen.length, 2 + 1 + MOST_REPEATS);
  const broken = await answering(t, { b: [500] });
  await t.throwsAsync(drive(broken, 1), { message: '/token answered 500 ok' });
  t.deepEqual(broken.seen, ['a', 'b']);
});
