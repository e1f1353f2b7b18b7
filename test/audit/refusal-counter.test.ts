/** What strangers can make us write is bounded, and nothing of it is lost. */
import { DatabaseSync } from 'node:sqlite';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import {
  type AuditEvent,
  type CommitOutcome,
  RefusalCounter,
  type RefusalCounterOptions,
  storeTrail,
  type Unit,
  verifyTrail,
} from '../../src/audit/index.ts';
import { type AuthenticateClientDeps, authenticateClient } from '../../src/clients/index.ts';
import { certainMoment } from '../../src/clock.ts';
import { newOrigin } from '../../src/origin.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { type App, addAgent, addPerson, addResource, heldClock, startApp } from '../support/start-app.ts';
import { SEED } from './real-trail.ts';

const MINUTE = 60_000;
const START = 1_800_000_000_000 - (1_800_000_000_000 % MINUTE);

function refusal(overrides: Partial<AuditEvent> = {}): AuditEvent {
  return {
    type: 'client.authentication-refused',
    outcome: 'refused',
    reason: 'wrong-secret',
    at: START,
    requestId: 'req_1',
    address: '192.0.2.1',
    client: 'agt_1',
    ...overrides,
  };
}

/** A counter with a clock and a store of its own. */
function bench(options: Partial<RefusalCounterOptions> = {}) {
  const made = {
    now: START,
    rows: [] as AuditEvent[],
    units: [] as number[],
    errors: [] as unknown[],
    answer: async (): Promise<CommitOutcome> => ({ committed: true }),
  };
  const counter = new RefusalCounter({
    audit: {
      commit: async ({ events }: Unit<never>) => {
        const outcome = await made.answer();
        if (outcome.committed) {
          made.rows.push(...events);
          made.units.push(events.length);
        }
        return outcome;
      },
    },
    now: () => made.now,
    onError: error => made.errors.push(error),
    ...options,
  });
  return Object.assign(made, { counter });
}

async function adminToken(app: App): Promise<string> {
  const basic = [app.admin.clientId, app.admin.secret] as const;
  return (await app.post('/token', { grant_type: 'client_credentials' }, { basic })).json.access_token;
}

const sum = (rows: readonly AuditEvent[]): number => rows.reduce((total, { count = 1 }) => total + count, 0);

test('100,000 alike refusals of one minute make two rows that add up to all of them', async t => {
  const { counter, rows, ...made } = bench();
  for (let index = 0; index < 100_000; index += 1)
    await counter.note(refusal({ at: START + (index % MINUTE) }));
  t.is(rows.length, 1, 'the first is written at once');
  t.is(rows[0]?.count, undefined);
  await counter.flush();
  t.is(rows.length, 2);
  t.is(rows[1]?.count, 99_999);
  t.is(sum(rows), 100_000);
  t.deepEqual(made.errors, []);
});

test('client, address, reason and type each tell refusals apart; path, request and time do not', async t => {
  const { counter, rows } = bench();
  const kinds: Partial<AuditEvent>[] = [
    {},
    { client: 'agt_2' },
    { address: '192.0.2.2' },
    { reason: 'unknown-client' },
    { type: 'token.introspection-refused' },
  ];
  for (let round = 0; round < 10; round += 1) {
    for (const kind of kinds) {
      await counter.note(
        refusal({ ...kind, requestId: `req_${round}`, at: START + round, detail: { round } }),
      );
    }
  }
  t.is(rows.length, kinds.length);
  await counter.flush();
  t.is(rows.length, 2 * kinds.length);
  t.deepEqual(
    rows.slice(kinds.length).map(({ count, requestId, detail }) => [count, requestId, detail]),
    kinds.map(() => [9, 'req_9', { round: 9 }]),
  );
});

test('each minute is counted by itself, and its counts are written by the first refusal or sweep after it', async t => {
  const made = bench();
  const { counter, rows } = made;
  for (let minute = 0; minute < 3; minute += 1) {
    made.now = START + minute * MINUTE;
    for (let index = 0; index < 5; index += 1) await counter.note(refusal());
  }
  made.now += MINUTE - 1;
  await counter.sweep();
  t.is(rows.length, 5, 'three firsts and two counts: the third minute is not over');
  made.now += 1;
  await counter.sweep();
  t.deepEqual(rows.map(row => row.count ?? 1).toSorted(), [1, 1, 1, 4, 4, 4]);
  await counter.sweep();
  await counter.flush();
  t.is(rows.length, 6);
});

// By itself: what other tests keep in the meantime is no memory of its own.
test.serial(
  '100,000 different callers in a minute get 1,000 names, the rest one nameless count; no memory is kept',
  async t => {
    const { counter, rows, units } = bench();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const noise = 'x'.repeat(2_000);
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 100_000; index += 1) {
      await counter.note(
        refusal({ client: `${index} ${noise}`, address: `2001:db8::${index.toString(16)}` }),
      );
    }
    t.is(rows.length, 1_001);
    collect();
    const kept = process.memoryUsage().heapUsed - before;
    t.log(`${kept} bytes are kept`);
    t.true(kept < 4_000_000);
    await counter.flush();
    t.is(rows.length, 1_002);
    t.is(sum(rows), 100_000);
    t.deepEqual(
      rows.slice(1_000).map(({ client, address, reason, detail }) => [client, address, reason, detail]),
      [
        [undefined, undefined, undefined, { others: true }],
        [undefined, undefined, undefined, { others: true }],
      ],
    );
    t.true(rows.every(row => (row.client ?? '').length <= 128));
    t.true(units.every(length => length <= 100));
  },
);

test('what strangers do displaces nothing of registered clients, nor does one of those displace another', async t => {
  const { counter, rows } = bench();
  for (let index = 0; index < 1_100; index += 1) {
    await counter.note(refusal({ client: `nobody ${index}`, reason: 'unknown-client' }));
  }
  await counter.note(refusal({ client: 'agt_1' }), 'registered');
  t.like(rows.at(-1), { client: 'agt_1', address: '192.0.2.1', reason: 'wrong-secret' });
  for (let index = 0; index < 1_100; index += 1) {
    await counter.note(
      refusal({ client: 'agt_1', address: `2001:db8::${index.toString(16)}` }),
      'registered',
    );
  }
  await counter.note(refusal({ client: 'agt_2' }), 'registered');
  t.like(rows.at(-1), { client: 'agt_2', address: '192.0.2.1', reason: 'wrong-secret' });
  await counter.flush();
  t.is(sum(rows), 2_202);
  t.is(sum(rows.filter(({ client }) => client === 'agt_1')), 1_101, 'all of them have its name');
  t.true(rows.filter(({ client }) => client === 'agt_1').length <= 102);
  t.true(
    rows.some(
      ({ client, reason, detail }) => client === 'agt_1' && reason === 'wrong-secret' && detail?.['others'],
    ),
  );
});

test('where very many registered clients are refused, each is named all the same', async t => {
  const { counter, rows } = bench({ maxDistinct: 10 });
  for (let index = 0; index < 30; index += 1) {
    for (const address of ['192.0.2.1', '192.0.2.2'])
      await counter.note(refusal({ client: `agt_${index}`, address }), 'registered');
  }
  await counter.flush();
  t.is(sum(rows), 60);
  t.is(new Set(rows.map(({ client }) => client)).size, 30);
  t.true(rows.length <= 70);
});

test('refusals of two persons at one address are two rows', async t => {
  const { counter, rows } = bench();
  for (const target of ['usr_1', 'usr_2', 'usr_1'])
    await counter.note(
      refusal({ type: 'person.sign-in-refused', reason: 'wrong-password', target }),
      'registered',
    );
  await counter.flush();
  t.deepEqual(
    rows.map(({ target, count }) => [target, count]),
    [
      ['usr_1', undefined],
      ['usr_2', undefined],
      ['usr_1', 1],
    ],
  );
});

test('of the refusals of a client that has proved itself a hundred a minute have a row of their own, the rest are counted', async t => {
  const made = bench();
  const { counter, rows } = made;
  const type = 'token.issue-refused';
  let own = 0;
  const ask = (client: string, count: number) => {
    for (let index = 0; index < count; index += 1)
      own += counter.take(
        refusal({ type, client, reason: 'scope-unknown', requestId: `req_${index}` }),
      ).length;
  };
  ask('agt_1', 5_000);
  t.is(own, 100);
  ask('agt_2', 1);
  t.is(own, 101, 'each client has its hundred');
  await counter.flush();
  t.is(rows.length, 2);
  t.is(own + sum(rows), 5_001);
  made.now += MINUTE;
  ask('agt_1', 1);
  t.is(own, 102);
});

test('the counts of a minute are written in short units', async t => {
  const { counter, units } = bench();
  for (let index = 0; index < 1_500; index += 1) await counter.note(refusal({ client: `c${index % 750}` }));
  units.length = 0;
  await counter.flush();
  t.deepEqual(units, [100, 100, 100, 100, 100, 100, 100, 50]);
});

test('the counts add up whatever comes in whichever minute and however often the store fails', async t => {
  const step = fc.record({
    client: fc.integer({ min: 0, max: 6 }),
    pause: fc.constantFrom(0, 0, 0, 1_000, MINUTE),
    fate: fc.constantFrom('taken', 'taken', 'failed', 'conflict'),
    sweeps: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, atOnce) => {
      const made = bench({ maxDistinct: 4 });
      const notes: Promise<void>[] = [];
      for (const { client, pause, fate, sweeps } of steps) {
        made.now += pause;
        made.answer = async () => {
          await undefined;
          if (fate === 'failed') throw new Error('the store is away');
          return fate === 'taken' ? { committed: true } : { committed: false, conflict: 'already-exists' };
        };
        const noted = made.counter.note(refusal({ client: `agt_${client}`, at: made.now }));
        notes.push(noted);
        if (!atOnce) await noted;
        if (sweeps) await made.counter.sweep();
      }
      await Promise.all(notes);
      made.answer = async () => ({ committed: true });
      await made.counter.flush();
      t.is(sum(made.rows), steps.length);
    }),
    { numRuns: 300, seed: SEED },
  );
});

test('a store that fails is told of, and never the caller', async t => {
  const made = bench();
  made.answer = async () => {
    throw new Error('the store is away');
  };
  await t.notThrowsAsync(made.counter.note(refusal()));
  await t.notThrowsAsync(made.counter.flush());
  t.is(made.errors.length, 2);
  made.answer = async () => ({ committed: true });
  await made.counter.note(refusal());
  await made.counter.flush();
  t.is(sum(made.rows), 2);
});

test('while the store is slow, a minute lasts until it has answered, and counting goes on', async t => {
  const made = bench({ maxDistinct: 10 });
  for (let index = 0; index < 3; index += 1) await made.counter.note(refusal());
  const gate = Promise.withResolvers<void>();
  made.answer = async () => {
    await gate.promise;
    return { committed: true };
  };
  made.now += MINUTE;
  const notes = [made.counter.note(refusal())];
  for (let minute = 0; minute < 50; minute += 1) {
    made.now += MINUTE;
    for (let index = 0; index < 20; index += 1)
      notes.push(made.counter.note(refusal({ client: `c${index}` })));
  }
  gate.resolve();
  await Promise.all(notes);
  await made.counter.flush();
  t.is(sum(made.rows), 3 + notes.length);
  t.true(made.rows.length < 40, `${made.rows.length} rows for 51 minutes of a store that does not answer`);
});

test('a flush waits for counts that are being written, and writes them again when that fails', async t => {
  const made = bench();
  for (let index = 0; index < 3; index += 1) await made.counter.note(refusal());
  const gate = Promise.withResolvers<CommitOutcome>();
  made.answer = () => gate.promise;
  made.now += MINUTE;
  void made.counter.sweep();
  const flushed = made.counter.flush();
  made.answer = async () => ({ committed: true });
  gate.reject(new Error('the store is away'));
  await flushed;
  t.is(sum(made.rows), 3);
});

test('what a caller claims to be is cleaned before it is compared and kept', async t => {
  const { counter, rows } = bench();
  await counter.note(refusal({ client: 'agt_1' }));
  await counter.note(refusal({ client: 'agt\u0000_1\u202e' }));
  await counter.note(refusal({ client: 'agt\u200b_1' }));
  await counter.flush();
  t.deepEqual(
    rows.map(row => row.client),
    ['agt_1', 'agt_1'],
  );
  t.is(sum(rows), 3);
});

test('who guesses the secret of a registered client is named, however many that nobody knows come before', async t => {
  const { counter, rows } = bench({ maxDistinct: 3 });
  const client = {
    clientId: 'agt_1',
    kind: 'agent',
    principalId: 'agt_1',
    enabled: true,
    credential: { method: 'client_secret', secretDigests: [] },
  };
  const deps = {
    clients: { findClient: async (id: string) => (id === 'agt_1' ? client : undefined) },
    refusals: counter,
    limits: { noteFailure: async () => undefined },
    issuer: 'https://as.example',
  } as unknown as AuthenticateClientDeps;
  const origin = { ...newOrigin(certainMoment(START)), address: '192.0.2.1' };
  const guess = (id: string) =>
    t.throwsAsync(
      authenticateClient(
        deps,
        undefined,
        { get: name => ({ client_id: id, client_secret: 'x' })[name], getAll: () => [] },
        origin,
      ),
    );
  for (const id of ['a', 'b', 'c', 'd', 'e', 'agt_1']) await guess(id);
  t.deepEqual(
    rows.map(row => row.client),
    ['a', 'b', 'c', undefined, 'agt_1'],
  );
});

test('over HTTP: an agent that is refused without end writes a hundred short rows a minute, and all are counted', async t => {
  const app = await startApp(t, { clock: heldClock() });
  const agent = await addAgent(app, await addPerson(app), await addResource(app));
  const token = await adminToken(app);
  const form = {
    grant_type: 'client_credentials',
    scope: 'x'.repeat(9_000),
    resource: Array.from({ length: 4 }, (_, index) => `https://${index}.example/${'y'.repeat(9_000)}`),
  };
  for (let index = 0; index < 140; index += 1) {
    await app.post('/token', form, { basic: agent.basic });
    await fetch(`${app.base}/api/v1/agents/agt_${index}`, { headers: { Authorization: `Bearer ${token}` } });
  }
  await app.stop();
  const database = new DatabaseSync(`${app.directory}/countersign.sqlite`, { readOnly: true });
  t.teardown(() => database.close());
  const bodies = database
    .prepare('SELECT body FROM audit')
    .all()
    .map(({ body }) => String(body));
  for (const type of ['token.issue-refused', 'admin.refused']) {
    const refused = bodies.filter(body => body.includes(`"type":"${type}"`));
    t.is(refused.length, 102, type);
    t.true(
      refused.every(body => body.length < 2_500),
      type,
    );
    t.is(sum(refused.map(body => JSON.parse(body).event)), 140, type);
  }
});

test('over HTTP: wrong secrets make two rows, and what was counted is written when the server stops', async t => {
  // It stands still, so that no minute ends.
  const app = await startApp(t, { clock: heldClock() });
  const resource = await addResource(app);
  for (let index = 0; index < 25; index += 1) {
    await app.post('/introspect', { token: 'x' }, { basic: [resource.id, `wrong ${index}`] });
  }
  const refusals = async (trail: () => Promise<readonly AuditEvent[]>) =>
    (await trail()).filter(event => event.type === 'client.authentication-refused');
  const before = await refusals(app.trail);
  t.is(before.length, 1);
  await app.stop();

  const store = await openSqliteStore(`${app.directory}/countersign.sqlite`, {
    now: Date.now,
    lane: 'lane_test',
  });
  const after = await refusals(async () =>
    (await store.readNewest(1_000)).map(row => JSON.parse(row.body).event),
  );
  const report = await verifyTrail(storeTrail(store));
  await store.close();
  t.is(sum(after), 25);
  t.is(after.length, 2);
  t.true(after.every(event => event.client === resource.id && event.reason === 'wrong-secret'));
  t.true(report.isIntact);
});
