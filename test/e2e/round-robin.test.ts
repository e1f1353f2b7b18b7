/** Two processes behind a plain round-robin proxy are one server: no answer depends on which of them gives it. */
import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { demoWorld, ORDERS_ID, REPORTER_ID, SHOPKEEPER_ID, seedDemoWorld } from '../../seed/demo-world.ts';
import { type Exchange, watchedFetch } from '../../src/cli/demo/exchange.ts';
import { Narrator } from '../../src/cli/demo/narrator.ts';
import { openOrdersServer } from '../../src/cli/demo/orders-server.ts';
import { tellStory } from '../../src/cli/demo/story.ts';
import type { Running } from '../../src/start.ts';
import { populate, type World } from '../support/deployment.ts';
import { newProofKey, signProof } from '../support/dpop.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import { isRetrySafe } from '../support/round-robin-proxy.ts';
import {
  type Answer,
  type App,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  presenting,
  signAssertion,
  type TestAgent,
} from '../support/start-app.ts';
import { administrator, requestToken, servedBy, startCluster } from './round-robin.ts';

const INACTIVE = '{"active":false}';

const mongo = await startMongoServer();
test.after.always(() => mongo?.stop());
const run = mongo ? test.serial : test.serial.skip;

run('the whole story of the demo holds behind a round-robin proxy', async t => {
  if (!mongo) return;
  t.timeout(120_000);
  const { deployment, servers, proxy } = await startCluster(t, mongo);
  const { issuer, admin } = deployment;
  await using ended = new AsyncDisposableStack();
  const orders = await openOrdersServer();
  ended.defer(() => orders.stop());
  const store = await deployment.shared.open();
  ended.defer(() => store.close());
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secrets = await seedDemoWorld(
    { agents: store, people: store, resources: store, freshness: store },
    demoWorld({ ordersUrl: orders.url.href, shopkeeperKey: publicKey.export({ format: 'jwk' }) }),
    { requestId: 'req_story', now: Date.now() },
  );
  const secretOf = (id: string) => ({ id, secret: secrets.get(id) ?? '' });
  let introspections: Exchange[] = [];
  const watched = watchedFetch(exchange => introspections.push(exchange));
  await orders.serve({ issuer, ...secretOf(ORDERS_ID), fetch: watched });

  const told: string[] = [];
  const narrator = new Narrator({ print: line => told.push(line), useColour: false, stepTimeoutMs: 20_000 });
  await t.notThrowsAsync(
    tellStory(
      {
        directory: '',
        logFile: '',
        // biome-ignore lint/suspicious/noExplicitAny: the story does not log
        log: undefined as any,
        server: {
          issuer,
          port: 0,
          metricsPort: undefined,
          store,
          renewTls: undefined,
          stop: () => Promise.resolve(),
        } satisfies Running,
        orders,
        shopkeeper: {
          clientId: SHOPKEEPER_ID,
          privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
          issuer,
        },
        admin: { id: admin.clientId, secret: admin.secret },
        ordersCredential: secretOf(ORDERS_ID),
        reporter: secretOf(REPORTER_ID),
        takeIntrospections: () => {
          const taken = introspections.filter(exchange => exchange.url.pathname === '/introspect');
          introspections = [];
          return taken;
        },
        strike: () => Promise.resolve(),
      },
      narrator,
    ),
    told.join('\n'),
  );
  for (const { port } of servers) t.true((proxy.answered.get(port) ?? 0) >= 3, 'both processes took part');
});

run('a token of one process is live at the other, and dead there once revoked at the first', async t => {
  if (!mongo) return;
  const { deployment, servers } = await startCluster(t, mongo);
  const world = await populate(deployment, 1);
  const agent = world.agents[0] as TestAgent;
  const basic = [world.resource.id, world.resource.secret] as const;
  for (const [first, second] of [servers, servers.toReversed()]) {
    const token = (await requestToken(first as (typeof servers)[0], world, agent)).json.access_token;
    t.true((await second?.post('/introspect', { token }, { basic }))?.json.active);
    t.is((await first?.post('/revoke', { token }, { basic: agent.basic }))?.status, 200);
    t.is((await second?.post('/introspect', { token }, { basic }))?.text, INACTIVE);
  }
});

run('I7: a kill at one process is seen by the other within 100 ms, through the proxy', async t => {
  if (!mongo) return;
  const { deployment, caller } = await startCluster(t, mongo);
  const world = await populate(deployment, 20);
  const basic = [world.resource.id, world.resource.secret] as const;
  const headers = await administrator(caller, deployment);
  const delays: number[] = [];
  for (const agent of world.agents) {
    const token = (await requestToken(caller, world, agent)).json.access_token;
    // Both have answered for it, so that neither starts from nothing.
    for (let turn = 0; turn < 2; turn += 1) {
      t.true((await caller.post('/introspect', { token }, { basic })).json.active);
    }
    const killed = await caller.call('POST', `/api/v1/agents/${agent.id}/kill`, { headers });
    t.is(killed.status, 200);
    const acknowledgedAt = performance.now();
    const deadline = acknowledgedAt + 5_000;
    for (;;) {
      if (performance.now() > deadline) return t.fail('the other process never heard of the kill');
      const answer = await caller.post('/introspect', { token }, { basic });
      if (servedBy(answer) === servedBy(killed)) {
        t.is(answer.text, INACTIVE, 'who killed knows at once');
      } else if (answer.text === INACTIVE) {
        delays.push(performance.now() - acknowledgedAt);
        break;
      }
    }
    for (let turn = 0; turn < 2; turn += 1) t.is((await requestToken(caller, world, agent)).status, 401);
  }
  delays.sort((a, b) => a - b);
  const p90Ms = delays[Math.ceil(delays.length * 0.9) - 1] as number;
  t.log({ medianMs: delays[delays.length >> 1], p90Ms, maxMs: delays.at(-1) });
  // Of 20 one or two may have met a busy machine; `two-processes-mongo.test.ts` measures the 99th percentile of 200.
  t.true(p90Ms < 100);
  t.true((delays.at(-1) as number) < 1_000);
});

run('I1: an assertion and a DPoP proof are good for one use, whichever process sees them', async t => {
  if (!mongo) return;
  t.timeout(120_000);
  const { deployment, caller } = await startCluster(t, mongo);
  const { world, agents, issuer, key } = await deployment.withStore(async opened => {
    const app = opened as App;
    const owner = await addPerson(app);
    const resource = await addResource(app);
    // One for each round: nobody may fail as often as one agent would.
    const agents = await Promise.all(Array.from({ length: 10 }, () => addKeyAgent(app, owner, resource)));
    const bound = await addAgent(app, owner, resource);
    return {
      world: { resource, agents: [bound] } satisfies World,
      agents,
      issuer: { issuer: deployment.issuer, now: Date.now } as App,
      key: await newProofKey(),
    };
  });
  const form = { grant_type: 'client_credentials', resource: world.resource.identifier };
  const wins = async (send: () => Promise<Answer>, refusal: string) => {
    const answers = await Promise.all(Array.from({ length: 16 }, send));
    t.is(new Set(answers.map(servedBy)).size, 2, 'both processes saw it');
    // And once more at each of them, when it is long over.
    answers.push(await send(), await send());
    for (const answer of answers.filter(each => each.status !== 200))
      t.is(answer.json.error, refusal, answer.text);
    return answers.filter(answer => answer.status === 200).length;
  };
  for (const [round, agent] of agents.entries()) {
    const assertion = await signAssertion(issuer, agent, { jti: `across-${round}` });
    t.is(await wins(() => caller.post('/token', { ...form, ...presenting(assertion) }), 'invalid_client'), 1);
    const proof = await signProof(issuer, key, { jti: `across-${round}` });
    const options = { basic: world.agents[0]?.basic as TestAgent['basic'], headers: { DPoP: proof } };
    t.is(await wins(() => caller.post('/token', form, options), 'invalid_dpop_proof'), 1);
  }
});

run('a DPoP nonce of one process is good at the other', async t => {
  if (!mongo) return;
  const { deployment, servers } = await startCluster(t, mongo, {
    env: { COUNTERSIGN_DPOP_NONCES: 'required' },
  });
  const world = await populate(deployment, 1);
  const agent = world.agents[0] as TestAgent;
  const issuer = { issuer: deployment.issuer, now: Date.now };
  const form = { grant_type: 'client_credentials', resource: world.resource.identifier };
  const key = await newProofKey();
  const [first, second] = servers;
  const ask = async (server: typeof first, nonce?: string) =>
    server.post('/token', form, {
      basic: agent.basic,
      headers: { DPoP: await signProof(issuer, key, { nonce }) },
    });
  const challenged = await ask(first);
  t.is(challenged.json.error, 'use_dpop_nonce');
  t.is((await ask(second, challenged.headers.get('dpop-nonce') ?? '')).status, 200);
});

run('of changes to one version at two processes exactly one is made', async t => {
  if (!mongo) return;
  const { deployment, caller } = await startCluster(t, mongo);
  const world = await populate(deployment, 1);
  const path = `/api/v1/agents/${world.agents[0]?.id}`;
  const headers = await administrator(caller, deployment);
  for (let round = 0; round < 10; round += 1) {
    const etag = (await caller.call('GET', path, { headers })).headers.get('etag') ?? '';
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        caller.call('PATCH', path, {
          headers: { ...headers, 'If-Match': etag, 'Content-Type': 'application/json' },
          body: JSON.stringify({ name: `Round ${round}, change ${index}` }),
        }),
      ),
    );
    t.is(new Set(answers.map(servedBy)).size, 2, 'both processes were asked');
    const made = answers.filter(answer => answer.status === 200);
    t.is(made.length, 1);
    t.is(answers.filter(answer => answer.status === 412).length, 7);
    for (let turn = 0; turn < 2; turn += 1) {
      const now = await caller.call('GET', path, { headers });
      t.is(now.json.name, made[0]?.json.name);
      t.is(now.headers.get('etag'), made[0]?.headers.get('etag') ?? '');
    }
  }
});

run('a JWT of either process verifies with the key set of either, before and after a rotation', async t => {
  if (!mongo) return;
  const { deployment, caller, servers } = await startCluster(t, mongo);
  const world = await deployment.withStore(async opened => {
    const app = opened as App;
    const owner = await addPerson(app);
    const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
    return { resource, agents: [await addAgent(app, owner, resource)] } satisfies World;
  });
  const agent = world.agents[0] as TestAgent;
  const verify = async () => {
    for (const server of servers) {
      for (let turn = 0; turn < 2; turn += 1) {
        const token = (await requestToken(server, world, agent)).json.access_token;
        const keys = createRemoteJWKSet(new URL(`${deployment.issuer}/jwks`));
        const { payload } = await jwtVerify(token, keys, { audience: world.resource.identifier });
        t.is(payload.iss, deployment.issuer);
      }
    }
  };
  await verify();
  const rotated = await caller.call('POST', '/api/v1/keys/rotate', {
    headers: { ...(await administrator(caller, deployment)), 'Content-Type': 'application/json' },
    body: '{}',
  });
  t.is(rotated.status, 201, rotated.text);
  await verify();
});

run('a rolling restart under load fails no request that may be sent twice, and loses nothing', async t => {
  if (!mongo) return;
  t.timeout(120_000);
  const { deployment, servers, proxy, caller } = await startCluster(t, mongo, { mayRepeat: isRetrySafe });
  const world = await populate(deployment, 4);
  const basic = [world.resource.id, world.resource.secret] as const;
  let isStopping = false;
  let answered = 0;
  const failures: string[] = [];
  const live = new Set<string>();
  const note = (answer: Answer): Answer => {
    answered += 1;
    if (answer.status !== 200) failures.push(`${answer.status} ${answer.text}`);
    return answer;
  };
  const work = async (agent: TestAgent): Promise<void> => {
    for (let turn = 0; !isStopping; turn += 1) {
      const token = note(await requestToken(caller, world, agent)).json?.access_token ?? '';
      const { json } = note(await caller.post('/introspect', { token }, { basic }));
      if (json?.active !== true) failures.push('a token that was just issued is not active');
      if (turn % 2 === 0) live.add(token);
      else {
        note(await caller.post('/revoke', { token }, { basic: agent.basic }));
        const { text } = note(await caller.post('/introspect', { token }, { basic }));
        if (text !== INACTIVE) failures.push('a revoked token is active');
      }
      note(await caller.call('GET', '/.well-known/oauth-authorization-server'));
      note(await caller.call('GET', '/jwks'));
    }
  };
  const callers = Promise.all(world.agents.flatMap(agent => [work(agent), work(agent)]));
  const progress = async (requests: number) => {
    const enough = answered + requests;
    const deadline = performance.now() + 60_000;
    while (answered < enough && performance.now() < deadline) await delay(5);
    t.true(answered >= enough, 'requests are answered meanwhile');
  };

  const stops: number[] = [];
  let current = [...servers];
  for (let round = 0; round < 4; round += 1) {
    await progress(200);
    const [oldest, ...others] = current as [(typeof current)[0], ...typeof current];
    const stoppedAt = performance.now();
    t.is(await oldest.end('SIGTERM'), 0, 'it ended in its own time');
    stops.push(Math.round(performance.now() - stoppedAt));
    await progress(200);
    current = [...others, await deployment.restart(oldest)];
  }
  await progress(200);
  isStopping = true;
  await callers;

  t.log({ answered, stopsMs: stops, ...proxy.tries });
  t.deepEqual(failures, []);
  t.true(Math.max(...stops) < 10_000);
  for (const token of live) t.true((await caller.post('/introspect', { token }, { basic })).json.active);
});
