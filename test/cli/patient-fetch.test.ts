/** Many requests at once wait for a server that asks them to. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { patientFetch } from '../../src/cli/patient-fetch.ts';

for (const status of [429, 503]) {
  test(`what is refused with ${status} and Retry-After is sent again, after that time and not for ever`, async t => {
    const arrivals: number[] = [];
    let refusals = 3;
    const server = createServer((_, answer) => {
      arrivals.push(performance.now());
      const isRefused = refusals > 0;
      refusals -= 1;
      answer.writeHead(isRefused ? status : 200, isRefused ? { 'Retry-After': '1' } : {}).end();
    }).listen(0);
    t.teardown(() => server.close());
    const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
    const fetchPatiently = patientFetch();
    const answers = await Promise.all([1, 2, 3].map(() => fetchPatiently(url)));
    t.deepEqual(
      answers.map(answer => answer.status),
      [200, 200, 200],
    );
    t.is(arrivals.length, 6);
    t.true((arrivals[3] ?? 0) - (arrivals[0] ?? 0) >= 990, 'nobody came back too early');

    refusals = Number.POSITIVE_INFINITY;
    const before = arrivals.length;
    t.is((await fetchPatiently(url)).status, status, 'what goes on is told');
    t.is(arrivals.length - before, 6);
  });
}

test('a refusal that names no time, or a long one, is told at once', async t => {
  const headers: Record<string, string>[] = [{}, { 'Retry-After': '3600' }];
  const server = createServer((_, answer) => answer.writeHead(429, headers.shift()).end()).listen(0);
  t.teardown(() => server.close());
  const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
  t.is((await patientFetch()(url)).status, 429);
  t.is((await patientFetch()(url)).status, 429);
  t.is(headers.length, 0, 'each was sent once');
});
