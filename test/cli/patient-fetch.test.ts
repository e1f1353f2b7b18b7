/** Many requests at once wait for a server that asks them to. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { patientFetch, type Timer } from '../../src/cli/patient-fetch.ts';

/** Time that stands still while somebody waits for it, until the test lets it go on. */
class HeldTime implements Timer {
  #now = 0;
  #held: { readonly ms: number; readonly release: () => void }[] = [];
  #isHeld = Promise.withResolvers<void>();

  now(): number {
    return this.#now;
  }

  pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.push({ ms, release: resolve });
    this.#isHeld.resolve();
    this.#isHeld = Promise.withResolvers();
    return promise;
  }

  /** Resolves when so many wait. @returns how long each of them does */
  async waiting(count: number): Promise<readonly number[]> {
    while (this.#held.length < count) await this.#isHeld.promise;
    return this.#held.map(({ ms }) => ms);
  }

  /** Lets the time go by for which they wait. */
  goOn(): void {
    const held = this.#held;
    this.#held = [];
    this.#now += Math.max(...held.map(({ ms }) => ms));
    for (const { release } of held) release();
  }
}

/** A server that refuses as often as is said, and then no more. */
function serve(t: ExecutionContext, status: number, headers: () => Record<string, string> | undefined) {
  const server = { arrivals: 0, refusals: 0, url: '' };
  const http = createServer((_, answer) => {
    server.arrivals += 1;
    server.refusals -= 1;
    if (server.refusals >= 0) answer.writeHead(status, headers()).end();
    else answer.writeHead(200).end();
  }).listen(0);
  t.teardown(() => {
    http.close();
    http.closeAllConnections();
  });
  server.url = `http://localhost:${(http.address() as AddressInfo).port}/`;
  return server;
}

for (const status of [429, 503]) {
  test(`what is refused with ${status} and Retry-After is sent again, after that time and not for ever`, async t => {
    const server = serve(t, status, () => ({ 'Retry-After': '7' }));
    const time = new HeldTime();
    const fetchPatiently = patientFetch(time);
    server.refusals = 3;
    const early = [1, 2, 3].map(() => fetchPatiently(server.url));
    t.deepEqual(await time.waiting(3), [7_000, 7_000, 7_000]);
    const late = fetchPatiently(server.url);
    t.deepEqual(await time.waiting(4), [7_000, 7_000, 7_000, 7_000], 'who comes meanwhile waits too');
    t.is(server.arrivals, 3, 'nobody came back too early');
    time.goOn();
    const answers = await Promise.all([...early, late]);
    t.deepEqual(
      answers.map(answer => answer.status),
      [200, 200, 200, 200],
    );
    t.is(server.arrivals, 7);

    server.refusals = Number.POSITIVE_INFINITY;
    const refused = fetchPatiently(server.url);
    for (let pauses = 1; pauses <= 5; pauses += 1) {
      t.deepEqual(await time.waiting(1), [7_000]);
      t.is(server.arrivals, 7 + pauses);
      time.goOn();
    }
    t.is((await refused).status, status, 'what goes on is told');
    t.is(server.arrivals, 7 + 6);
  });
}

test('a refusal that names no time, or a long one, is told at once', async t => {
  const headers: Record<string, string>[] = [{}, { 'Retry-After': '3600' }];
  const server = serve(t, 429, () => headers.shift());
  server.refusals = Number.POSITIVE_INFINITY;
  // Nobody lets time go on here: who waited would wait for ever.
  const fetchPatiently = patientFetch(new HeldTime());
  t.is((await fetchPatiently(server.url)).status, 429);
  t.is((await fetchPatiently(server.url)).status, 429);
  t.is(server.arrivals, 2, 'each was sent once');
});
