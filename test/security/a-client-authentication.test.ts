/** Group A: client authentication. */
import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { killAgent } from '../../src/agents/index.ts';
import type { AuditEvent } from '../../src/audit/index.ts';
import { certainMoment } from '../../src/clock.ts';
import type { Refused } from '../../src/errors.ts';
import { type AttemptAddition, type AttemptStore, Limits } from '../../src/limits/index.ts';
import { newOrigin } from '../../src/origin.ts';
import { openCaller } from '../support/server-process.ts';
import {
  type Answer,
  type App,
  type AppOptions,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  heldClock,
  presenting,
  signAssertion,
  startApp,
  startAppIn,
} from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';
import { twinOf } from '../support/twin.ts';

const GRANT = { grant_type: 'client_credentials' } as const;

async function world(t: ExecutionContext, options: AppOptions = {}) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const keyAgent = await addKeyAgent(app, owner, resource);
  const ask = { ...GRANT, resource: resource.identifier };
  return { app, owner, resource, agent, keyAgent, ask };
}

function assertInvalidClient(t: ExecutionContext, answer: Answer, message?: string): void {
  t.is(answer.status, 401, message);
  t.is(answer.json?.error, 'invalid_client', message);
  t.is(answer.headers.get('cache-control'), 'no-store', message);
}

/** The reasons with which callers were turned away, in order; alike ones of a minute share a row. */
async function refusals(app: App): Promise<(string | undefined)[]> {
  return (await app.trail())
    .filter(event => event.type === 'client.authentication-refused')
    .map(event => event.reason);
}

whateverTheStore(
  'R001: a wrong secret, an unknown client and a disabled client are answered with the same bytes',
  async (t, store) => {
    const { app, owner, resource, agent, keyAgent, ask } = await world(t, { env: store });
    const disabled = await addAgent(app, owner, resource);
    await killAgent({ agents: app.store, freshness: app.store }, disabled.id, app.origin());
    const secret = agent.basic[1];
    const unknownId = `agt_${'f'.repeat(32)}`;

    const answers = [
      await app.post('/token', ask, { basic: [agent.id, 'x'.repeat(43)] }),
      await app.post('/token', ask, { basic: [unknownId, secret] }),
      await app.post('/token', ask, { basic: ['no-such-form-of-id', secret] }),
      await app.post('/token', ask, { basic: disabled.basic }),
      await app.post('/token', ask, { basic: [keyAgent.id, secret] }),
    ];
    for (const answer of answers) assertInvalidClient(t, answer);
    t.is(new Set(answers.map(answer => answer.text)).size, 1);
    // The trail tells them apart.
    t.deepEqual(await refusals(app), [
      'wrong-secret',
      'unknown-client',
      'unknown-client',
      'client-not-enabled',
      'wrong-auth-method',
    ]);
    t.is((await app.post('/token', ask, { basic: agent.basic })).status, 200);
  },
);

test('R001: the same holds for introspection and revocation', async t => {
  const { app, agent } = await world(t);
  for (const path of ['/introspect', '/revoke']) {
    const wrong = await app.post(path, { token: 'x' }, { basic: [agent.id, 'x'.repeat(43)] });
    const unknown = await app.post(
      path,
      { token: 'x' },
      { basic: [`agt_${'f'.repeat(32)}`, agent.basic[1]] },
    );
    assertInvalidClient(t, wrong);
    t.is(wrong.text, unknown.text);
  }
});

test('R002: credentials in the URL are refused and their secret is in no log', async t => {
  const logs: string[] = [];
  const { app, agent, ask } = await world(t, { logs });
  const [id, secret] = agent.basic;
  const answer = await app.post(`/token?client_id=${id}&client_secret=${secret}`, ask);
  t.true(answer.status >= 400 && answer.status < 500);
  t.is(answer.json.access_token, undefined);
  t.false(answer.text.includes(secret));
  // Right credentials do not make up for it: the secret has leaked to whoever logs URLs.
  const both = await app.post(`/token?client_secret=${secret}`, ask, { basic: agent.basic });
  t.is(both.status, 400);
  t.is(both.json.error, 'invalid_request');
  t.false(logs.join('').includes(secret));
  t.false(JSON.stringify(await app.trail()).includes(secret));
});

whateverTheStore('R003: two ways to authenticate in one request are refused', async (t, store) => {
  const { app, agent, keyAgent, ask } = await world(t, { env: store });
  const [client_id, client_secret] = agent.basic;
  const assertion = presenting(await signAssertion(app, keyAgent));
  const requests = [
    app.post('/token', { ...ask, client_id, client_secret }, { basic: agent.basic }),
    app.post('/token', { ...ask, ...assertion }, { basic: agent.basic }),
    app.post('/token', { ...ask, client_id, client_secret, ...assertion }),
    app.post(
      '/token',
      { ...ask, client_assertion_type: assertion.client_assertion_type },
      { basic: agent.basic },
    ),
  ];
  for (const answer of await Promise.all(requests)) {
    t.is(answer.status, 400);
    t.is(answer.json.error, 'invalid_request');
  }
  // Nothing was spent: the assertion is still good once.
  t.is((await app.post('/token', { ...ask, ...assertion })).status, 200);
});

test('R004: a client registered with a key proves nothing by a secret or by nothing', async t => {
  const { app, keyAgent, ask } = await world(t);
  const answers = [
    await app.post('/token', { ...ask, client_id: keyAgent.id, client_secret: 'y'.repeat(43) }),
    await app.post('/token', ask, { basic: [keyAgent.id, 'y'.repeat(43)] }),
    await app.post('/token', { ...ask, client_id: keyAgent.id }),
    await app.post('/token', ask),
  ];
  for (const answer of answers) assertInvalidClient(t, answer);
  t.deepEqual(await refusals(app), ['wrong-auth-method', 'no-credentials', 'no-credentials']);
  t.is((await app.post('/token', { ...ask, ...presenting(await signAssertion(app, keyAgent)) })).status, 200);
});

test('R005: an assertion is verified with the registered key and algorithm only', async t => {
  const { app, keyAgent, ask } = await world(t);
  const now = Math.floor(app.now() / 1000);
  const claims = {
    iss: keyAgent.id,
    sub: keyAgent.id,
    aud: app.issuer,
    jti: 'r005',
    iat: now,
    exp: now + 60,
  };
  const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forge = (header: object, signer: (input: string) => string) => {
    const input = `${b64(header)}.${b64(claims)}`;
    return `${input}.${signer(input)}`;
  };
  const publicPem = createPublicKey({ key: keyAgent.publicJwk as JsonWebKey, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  });
  const hmac = (input: string) => createHmac('sha256', publicPem).update(input).digest('base64url');
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const foreign = (input: string) =>
    sign('sha256', Buffer.from(input), { key: other.privateKey, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    );
  const jwk = other.publicKey.export({ format: 'jwk' });

  const forged = {
    'alg none': forge({ alg: 'none' }, () => ''),
    'alg none, with a signature': forge({ alg: 'none' }, foreign),
    'HS256 keyed with the public key': forge({ alg: 'HS256' }, hmac),
    'ES256 by another key': forge({ alg: 'ES256' }, foreign),
    'a key of its own in the header': forge({ alg: 'ES256', jwk }, foreign),
    'a key somewhere else': forge({ alg: 'ES256', jku: 'https://evil.example/jwks' }, foreign),
    'another algorithm than registered': forge({ alg: 'EdDSA' }, input =>
      sign(null, Buffer.from(input), ed.privateKey).toString('base64url'),
    ),
    'a critical extension': await signAssertion(app, keyAgent, {}, { b64: true, crit: ['b64'] }),
    'the type of another JWT': await signAssertion(app, keyAgent, {}, { typ: 'at+jwt' }),
    'certificates somewhere else': forge({ alg: 'ES256', x5u: 'https://evil.example/x5u' }, foreign),
    'certificates of its own': await signAssertion(app, keyAgent, {}, { x5c: ['MIIB'] }),
    'no JWT at all': 'one.two',
    'nine thousand characters': 'x'.repeat(9_000),
  };
  for (const [name, assertion] of Object.entries(forged)) {
    assertInvalidClient(
      t,
      await app.post('/token', { ...ask, client_id: keyAgent.id, ...presenting(assertion) }),
      name,
    );
  }
});

test('R005, S17: an assertion names itself, us, an end within five minutes, and an identifier', async t => {
  const { app, agent, keyAgent, ask } = await world(t);
  const now = Math.floor(app.now() / 1000);
  const wrong: Record<string, Record<string, unknown>> = {
    'another issuer': { iss: agent.id },
    'another audience': { aud: 'https://elsewhere.example' },
    'the token endpoint as audience': { aud: `${app.issuer}/token` },
    'several audiences': { aud: [app.issuer, 'https://elsewhere.example'] },
    'no audience': { aud: undefined },
    'no end': { exp: undefined },
    'an end in the past': { exp: now - 1, iat: now - 60 },
    'ten years': { exp: now + 315_360_000 },
    'ten minutes': { exp: now + 600, iat: now + 20 },
    'ten minutes from no start': { exp: now + 600, iat: undefined },
    'a start in the future': { nbf: now + 120 },
    'an issue in the future': { iat: now + 120, exp: now + 200 },
    'no identifier': { jti: undefined },
    'an empty identifier': { jti: '' },
  };
  for (const [name, claims] of Object.entries(wrong)) {
    const form = {
      ...ask,
      client_id: keyAgent.id,
      ...presenting(await signAssertion(app, keyAgent, claims)),
    };
    assertInvalidClient(t, await app.post('/token', form), name);
  }
  for (const claims of [{}, { aud: `${app.issuer}/` }, { iat: undefined }, { exp: now + 299 }]) {
    const form = { ...ask, ...presenting(await signAssertion(app, keyAgent, claims)) };
    t.is((await app.post('/token', form)).status, 200, JSON.stringify(claims));
  }
});

test('RFC 7515 §4: an assertion may say what else its library says in the header, and names its type in any spelling', async t => {
  const { app, keyAgent, ask } = await world(t);
  for (const header of [
    { x5t: 'dGh1bWJwcmludA', 'x5t#S256': 'dGh1bWJwcmludA' },
    { cty: 'json', enc: 'x', 'https://vendor.example/member': { any: [1] } },
    { typ: 'Jwt' },
    { typ: 'application/JWT' },
    { typ: 'Application/Client-Authentication+JWT' },
  ]) {
    const form = { ...ask, ...presenting(await signAssertion(app, keyAgent, {}, header)) };
    t.is((await app.post('/token', form)).status, 200, JSON.stringify(header));
  }
});

test('RFC 7519 §2: the times of an assertion may have fractions', async t => {
  const { app, keyAgent, ask } = await world(t);
  const now = app.now() / 1000;
  const claims = { iat: now - 0.25, nbf: now - 0.75, exp: now + 59.123456 };
  const form = { ...ask, ...presenting(await signAssertion(app, keyAgent, claims)) };
  t.is((await app.post('/token', form)).status, 200);
  assertInvalidClient(t, await app.post('/token', form));
  t.deepEqual(await refusals(app), ['assertion-replayed']);
});

test('RFC 7517 §4.5: kid is a hint where the registered key has none, and otherwise the trail says that there is no such key', async t => {
  const { app, owner, resource, keyAgent, ask } = await world(t);
  const present = async (agent: typeof keyAgent, kid: string) => {
    const assertion = await signAssertion(app, agent, {}, { kid });
    return app.post('/token', { ...ask, ...presenting(assertion) });
  };
  t.is((await present(keyAgent, 'what-the-library-made-up')).status, 200);

  const keys = [{ ...keyAgent.publicJwk, kid: 'first' }];
  const { id } = await addAgent(app, owner, resource, { credential: { method: 'private_key_jwt', keys } });
  const named = { ...keyAgent, id };
  t.is((await present(named, 'first')).status, 200);
  assertInvalidClient(t, await present(named, 'unheard-of'));
  t.deepEqual(await refusals(app), ['assertion-key-unknown']);
});

test('S17: how long an assertion may live is configured: an hour suits Authlib, and what is beyond has its row', async t => {
  const env = { COUNTERSIGN_ASSERTION_LIFETIME_SECONDS: '3600' };
  const { app, keyAgent, ask } = await world(t, { env });
  const now = Math.floor(app.now() / 1000);
  const present = async (claims: Record<string, unknown>) =>
    app.post('/token', { ...ask, ...presenting(await signAssertion(app, keyAgent, claims)) });
  t.is((await present({ iat: now, exp: now + 3600 })).status, 200);
  t.is((await present({ iat: undefined, exp: now + 3600 })).status, 200);
  assertInvalidClient(t, await present({ iat: now, exp: now + 3601 }));
  t.deepEqual(await refusals(app), ['assertion-lifetime-too-long']);
});

test('I1: an assertion whose signature is turned into its twin is the same assertion', async t => {
  const { app, keyAgent, ask } = await world(t);
  const once = await signAssertion(app, keyAgent);
  t.is((await app.post('/token', { ...ask, ...presenting(once) })).status, 200);
  assertInvalidClient(t, await app.post('/token', { ...ask, ...presenting(twinOf(once)) }));
  t.deepEqual(await refusals(app), ['assertion-replayed']);
});

whateverTheStore(
  'R006: an assertion is good for one request, whatever came of it and wherever it was sent',
  async (t, store) => {
    const { app, keyAgent, ask } = await world(t, { env: store });
    const once = presenting(await signAssertion(app, keyAgent));
    t.is((await app.post('/token', { ...ask, ...once })).status, 200);
    assertInvalidClient(t, await app.post('/token', { ...ask, ...once }));
    assertInvalidClient(t, await app.post('/introspect', { token: 'x', ...once }));
    assertInvalidClient(t, await app.post('/revoke', { token: 'x', ...once }));

    const refused = presenting(await signAssertion(app, keyAgent));
    t.is((await app.post('/token', { ...ask, scope: 'unheard-of', ...refused })).json.error, 'invalid_scope');
    assertInvalidClient(t, await app.post('/token', { ...ask, ...refused }));
    for (const path of ['/introspect', '/revoke']) {
      const tokenless = presenting(await signAssertion(app, keyAgent));
      t.is((await app.post(path, tokenless)).json.error, 'invalid_request', path);
      assertInvalidClient(t, await app.post('/token', { ...ask, ...tokenless }), path);
    }
    t.deepEqual(await refusals(app), ['assertion-replayed']);
  },
);

onEachStore(
  'I1: of 50 presentations of one assertion at the same moment exactly one gets a token',
  async (t, store) => {
    const { app, keyAgent, ask } = await world(t, { env: store });
    const form = { ...ask, ...presenting(await signAssertion(app, keyAgent)) };
    const answers = await Promise.all(Array.from({ length: 50 }, () => app.post('/token', form)));
    t.is(answers.filter(answer => answer.status === 200).length, 1);
    t.is(answers.filter(answer => answer.status === 401).length, 49);
  },
);

test('EdDSA and PS256 keys authenticate too', async t => {
  const { app, owner, resource, ask } = await world(t);
  for (const alg of ['EdDSA', 'PS256'] as const) {
    const agent = await addKeyAgent(app, owner, resource, alg);
    const answer = await app.post('/token', {
      ...ask,
      ...presenting(await signAssertion(app, agent, {}, { alg })),
    });
    t.is(answer.status, 200, answer.text);
  }
});

/** When a period in which failures are counted begins. */
const wholePeriod = (): number => Math.ceil(Date.now() / 600_000) * 600_000;

onEachStore(
  'I16: guesses of a secret are held off by all processes together, at any endpoint, also by later ones, and the right one never is',
  async (t, store) => {
    const clock = heldClock(wholePeriod());
    const { app, owner, resource, agent, ask } = await world(t, {
      env: store,
      clock,
      issuerAt: { path: '' },
    });
    const stranger = await addAgent(app, owner, resource);
    const start = async () => {
      const env = {
        ...store,
        COUNTERSIGN_ISSUER: app.issuer,
        COUNTERSIGN_BOOTSTRAP_CLIENT_ID: app.admin.clientId,
        COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: app.admin.secret,
      };
      const started = await startAppIn(app.directory, { clock, env });
      const caller = openCaller(Number(new URL(started.base).port), app.issuer);
      t.teardown(async () => {
        caller.close();
        await started.stop();
      });
      return caller;
    };
    let guesses = 0;
    const guess = (at: Pick<App, 'post'>, { id } = agent): Promise<Answer> => {
      const wrong = { basic: [id, `${'x'.repeat(40)}${guesses}`] } as const;
      guesses += 1;
      if (guesses % 3 === 0) return at.post('/introspect', { token: 'x' }, wrong);
      return at.post(guesses % 3 === 1 ? '/token' : '/par', ask, wrong);
    };
    /** What a process counts, others know when it has been written down: soon after its answer. */
    const areKnown = async (count: number): Promise<void> => {
      const key = `client ${agent.id} ${clock() / 600_000}`;
      let known = 0;
      while (known < count) {
        await setTimeout(5);
        [known = 0] = await app.store.readAttempts([key]);
      }
      t.is(known, count);
    };

    const second = await start();
    for (let count = 1; count <= 60; count += 1)
      assertInvalidClient(t, await guess(app), `the first: ${count}`);
    await areKnown(60);
    for (let count = 61; count <= 100; count += 1) assertInvalidClient(t, await guess(second), `${count}`);
    const answers = [await guess(second), await guess(second), await guess(second)];
    t.deepEqual(
      answers.map(answer => [answer.status, answer.headers.get('retry-after')]),
      [
        [429, '1'],
        [429, '2'],
        [429, '4'],
      ],
    );
    await areKnown(103);
    t.is((await guess(app)).headers.get('retry-after'), '8', 'also where there was nothing to wait for');
    await areKnown(104);
    t.is((await guess(await start())).headers.get('retry-after'), '16', 'also where nothing was counted');

    for (const at of [app, second]) t.is((await at.post('/token', ask, { basic: agent.basic })).status, 200);
    assertInvalidClient(t, await guess(app, stranger), 'another client');
    const [limited] = (await app.trail()).filter(({ type }) => type === 'request.limited');
    t.like(limited, { reason: 'client-failures-exceeded', outcome: 'refused' });
    clock.pass(600_000);
    assertInvalidClient(t, await guess(second), 'in the next period');
  },
);

/** Counters in memory: what they were told, and a store that takes nothing while it is held. */
function countersInMemory() {
  const counters = new Map<string, number>();
  const held = Promise.withResolvers<never>();
  let isHeld = false;
  return {
    counters,
    hold: () => {
      isHeld = true;
    },
    attempts: {
      addAttempts: async (additions: readonly AttemptAddition[]) => {
        if (isHeld) await held.promise;
        return additions.map(({ key, count }) => {
          const total = (counters.get(key) ?? 0) + count;
          counters.set(key, total);
          return total;
        });
      },
      readAttempts: async (keys: readonly string[]) => keys.map(key => counters.get(key) ?? 0),
    },
  };
}

function limitsOn(attempts: AttemptStore) {
  const rows: AuditEvent[] = [];
  const limits = new Limits({
    attempts,
    addressRequestsPerSecond: 0,
    clientTokensPerSecond: 0,
    unknownTokensPerSecond: 0,
    refusals: { note: async event => void rows.push(event) },
    onError: () => undefined,
  });
  const now = wholePeriod();
  /** @returns how many seconds to wait; 0 where it is told what is wrong instead */
  const fail = async (clientId: string, address?: string): Promise<unknown> => {
    const origin = { ...newOrigin(certainMoment(now)), ...(address !== undefined && { address }) };
    try {
      await limits.noteFailure(clientId, origin);
      return 0;
    } catch (error) {
      return (error as Refused).detail.retryAfterSeconds;
    }
  };
  return { limits, rows, fail };
}

test('I16: failures from one address are held off, whoever they claim to be; this machine too; those from others are not', async t => {
  const { attempts, counters } = countersInMemory();
  const { limits, rows, fail } = limitsOn(attempts);
  const addresses = ['203.0.113.7', '2001:db8:1:2::7', '127.0.0.1'] as const;
  for (const address of addresses) {
    const [name] = address.split(/[.:]/);
    const first = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => fail(`agt_${name}_${index}`, address)),
    );
    t.deepEqual(new Set(first), new Set([0]), address);
    t.is(await fail(`agt_${name}`, address), 1, address);
  }
  t.is(await fail('', '2001:db8:1:2:ffff::1'), 2, 'one network has one subscriber');
  t.is(await fail('', '::1'), 2, 'the machine itself');
  for (const other of ['203.0.113.8', '2001:db8:1:3::7']) t.is(await fail('agt_1', other), 0, other);
  t.deepEqual(new Set(rows.map(({ reason }) => reason)), new Set(['address-failures-exceeded']));

  await limits.close();
  // Which clients there were beyond the first few is not worth a row each: that is what strangers can have written.
  t.true(counters.size <= 600 + 4, `${counters.size} counters`);
  const later = limitsOn(attempts);
  t.is(await later.fail('agt_2', '203.0.113.7'), 2, 'a later process knows');
  t.is(await later.fail('agt_2', '203.0.113.9'), 0);
  await later.limits.close();
});

test('I16: a hundred failures at the same moment are told what is wrong, and no more than that', async t => {
  const { attempts } = countersInMemory();
  const { limits, fail } = limitsOn(attempts);
  const told = await Promise.all(Array.from({ length: 105 }, () => fail('agt_1')));
  t.deepEqual(told.slice(100), [1, 2, 4, 8, 16]);
  t.deepEqual(new Set(told.slice(0, 100)), new Set([0]));
  t.deepEqual(await Promise.all([fail('agt_1'), fail('agt_1'), fail('agt_1')]), [32, 60, 60]);
  await limits.close();
});

test('I16: failures are counted, and nobody waits, while the store is held by somebody else', async t => {
  const { attempts, hold } = countersInMemory();
  const { fail } = limitsOn(attempts);
  hold();
  for (let count = 1; count <= 100; count += 1) t.is(await fail('agt_1'), 0, `${count}`);
  t.is(await fail('agt_1'), 1);
});
