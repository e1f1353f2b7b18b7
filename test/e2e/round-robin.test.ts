/** Two processes behind a plain round-robin proxy are one server: no answer depends on which of them gives it. */

import test, { type ExecutionContext } from 'ava';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { Narrator } from '../../src/cli/demo/narrator.ts';
import { furnishStage } from '../../src/cli/demo/stage.ts';
import { tellStory } from '../../src/cli/demo/story.ts';
import { NOBODY } from '../../src/cli/demo/turns.ts';
import { type Cluster, requestToken, servedBy, startCluster } from '../support/cluster.ts';
import { populate, sharedMongo } from '../support/deployment.ts';
import { newProofKey, signProof } from '../support/dpop.ts';
import { EventCount } from '../support/event-count.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import { patientStore, untilTold } from '../support/patience.ts';
import { isRetrySafe } from '../support/round-robin-proxy.ts';
import { patient } from '../support/server-process.ts';
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

const INACTIVE = '{"active":false}';

const mongo = await startMongoServer();
const run = mongo ? test.serial : test.serial.skip;

/** Two processes for all tests that only call them. */
let shared: Cluster;
const teardowns: (() => unknown)[] = [];
const host = { teardown: (work: () => unknown) => void teardowns.unshift(work) };

test.before('start two processes behind a proxy', async () => {
  if (mongo) shared = await startCluster(host, await sharedMongo(host, mongo));
});

test.after.always('stop them', async () => {
  for (const work of teardowns) await work();
  await mongo?.stop();
});

run('the whole story of the demo holds behind a round-robin proxy', async t => {
  const { deployment, servers, proxy } = shared;
  const { issuer, admin } = deployment;
  await using ended = new AsyncDisposableStack();
  const store = patientStore(await deployment.shared.open());
  ended.defer(() => store.close());
  const server = { issuer, store };
  const via = { mcpServer: untilTold, agent: untilTold, administrator: untilTold, browser: untilTold };
  const { clear, ...furnished } = await furnishStage(
    server,
    { id: admin.clientId, secret: admin.secret },
    via,
  );
  ended.defer(clear);
  const told: string[] = [];
  const narrator = new Narrator({
    print: line => told.push(line),
    useColour: false,
    stepTimeoutMs: 15 * 60_000,
  });
  await t.notThrowsAsync(tellStory({ server, ...furnished }, narrator, NOBODY), told.join('\n'));
  for (const { port } of servers) t.true((proxy.answered.get(port) ?? 0) >= 3, 'both processes took part');
});

run('a token of one process is live at the other, and dead there once revoked at the first', async t => {
  const { deployment, servers } = shared;
  const world = await populate(deployment, 1);
  const agent = world.agents[0] as TestAgent;
  const basic = [world.resource.id, world.resource.secret] as const;
  const [one, other] = servers.map(server => patient(server)) as [
    ReturnType<typeof patient>,
    ReturnType<typeof patient>,
  ];
  for (const [first, second] of [
    [one, other],
    [other, one],
  ] as const) {
    const token = (await requestToken(first, world, agent)).json.access_token;
    t.true((await second.post('/introspect', { token }, { basic })).json.active);
    t.is((await first.post('/revoke', { token }, { basic: agent.basic })).status, 200);
    t.is((await second.post('/introspect', { token }, { basic })).text, INACTIVE);
  }
});

run('I7: a kill at one process is known to the next answer of either, through the proxy', async t => {
  const { deployment, servers, caller } = shared;
  const world = await populate(deployment, 4);
  const basic = [world.resource.id, world.resource.secret] as const;
  const asked = patient(caller);
  for (const [round, agent] of world.agents.entries()) {
    const token = (await requestToken(asked, world, agent)).json.access_token;
    // Both have answered for it, so that neither starts from nothing.
    for (const server of servers) {
      t.true((await patient(server).post('/introspect', { token }, { basic })).json.active);
    }
    const headers = await deployment.administer(servers[round % 2] as (typeof servers)[0]);
    const killed = await asked.call('POST', `/api/v1/agents/${agent.id}/kill`, { headers });
    t.is(killed.status, 200, killed.text);
    const answers = [];
    while (new Set(answers.map(servedBy)).size < 2) {
      answers.push(await asked.post('/introspect', { token }, { basic }));
    }
    for (const answer of answers) t.is(answer.text, INACTIVE);
    for (const server of servers) t.is((await requestToken(patient(server), world, agent)).status, 401);
  }
});

run('I1: an assertion and a DPoP proof are good for one use, whichever process sees them', async t => {
  const { deployment, caller } = shared;
  const { world, agents, issuer, key } = await deployment.withStore(async opened => {
    const app = opened as App;
    const owner = await addPerson(app);
    const resource = await addResource(app);
    // One for each round: nobody may fail as often as one agent would.
    const agents = await Promise.all(Array.from({ length: 4 }, () => addKeyAgent(app, owner, resource)));
    const bound = await addAgent(app, owner, resource);
    return {
      world: { resource, agents: [bound] },
      agents,
      issuer: { issuer: deployment.issuer, now: Date.now } as App,
      key: await newProofKey(),
    };
  });
  const form = { grant_type: 'client_credentials', resource: world.resource.identifier };
  const race = async (send: () => Promise<Answer>, refusal: string) => {
    const answers = await Promise.all(Array.from({ length: 16 }, send));
    t.is(new Set(answers.map(servedBy)).size, 2, 'both processes saw it');
    // And once more at each of them, when it is long over.
    answers.push(await send(), await send());
    holdRace(t, answers, answer => t.is(answer.json.error, refusal, answer.text));
  };
  for (const [round, agent] of agents.entries()) {
    const assertion = await signAssertion(issuer, agent, { jti: `across-${round}` });
    await race(() => caller.post('/token', { ...form, ...presenting(assertion) }), 'invalid_client');
    const proof = await signProof(issuer, key, { jti: `across-${round}` });
    const options = { basic: world.agents[0]?.basic as TestAgent['basic'], headers: { DPoP: proof } };
    await race(() => caller.post('/token', form, options), 'invalid_dpop_proof');
  }
});

run('a DPoP nonce of one process is good at the other', async t => {
  const { deployment, servers } = await startAnother(t, { env: { COUNTERSIGN_DPOP_NONCES: 'required' } });
  const world = await populate(deployment, 1);
  const agent = world.agents[0] as TestAgent;
  const issuer = { issuer: deployment.issuer, now: Date.now };
  const form = { grant_type: 'client_credentials', resource: world.resource.identifier };
  const key = await newProofKey();
  const [first, second] = servers;
  // A proof is good once, also where the answer is 503: then with another one.
  const ask = async (server: typeof first, nonce?: string): Promise<Answer> => {
    const answer = await server.post('/token', form, {
      basic: agent.basic,
      headers: { DPoP: await signProof(issuer, key, { nonce }) },
    });
    return answer.status === 503 ? ask(server, nonce) : answer;
  };
  const challenged = await ask(first);
  t.is(challenged.json.error, 'use_dpop_nonce');
  t.is((await ask(second, challenged.headers.get('dpop-nonce') ?? '')).status, 200);
});

run('of changes to one version at two processes exactly one is made', async t => {
  const { deployment, servers, caller } = shared;
  const world = await populate(deployment, 1);
  const path = `/api/v1/agents/${world.agents[0]?.id}`;
  const headers = await deployment.administer(servers[0], 'agents read');
  for (let round = 0; round < 4; round += 1) {
    const etag = (await patient(caller).call('GET', path, { headers })).headers.get('etag') ?? '';
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        caller.call('PATCH', path, {
          headers: { ...headers, 'If-Match': etag, 'Content-Type': 'application/json' },
          body: JSON.stringify({ name: `Round ${round}, change ${index}` }),
        }),
      ),
    );
    t.is(new Set(answers.map(servedBy)).size, 2, 'both processes were asked');
    const made = holdRace(t, answers, answer => t.is(answer.status, 412, answer.text));
    for (const server of servers) {
      const now = await patient(server).call('GET', path, { headers });
      t.not(now.headers.get('etag'), etag);
      if (made) t.is(now.json.name, made.json.name);
      if (made) t.is(now.headers.get('etag'), made.headers.get('etag') ?? '');
    }
  }
});

run('a JWT of either process verifies with the key set of either, before and after a rotation', async t => {
  const { deployment, caller, servers } = shared;
  const world = await deployment.withStore(async opened => {
    const app = opened as App;
    const owner = await addPerson(app);
    const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
    return { resource, agents: [await addAgent(app, owner, resource)] };
  });
  const agent = world.agents[0] as TestAgent;
  const verify = async () => {
    for (const server of servers) {
      for (let turn = 0; turn < 2; turn += 1) {
        const token = (await requestToken(patient(server), world, agent)).json.access_token;
        // Of whichever process the proxy chooses; one that is starved may say that it cannot tell.
        const { json } = await patient(caller).call('GET', '/jwks');
        const { payload } = await jwtVerify(token, createLocalJWKSet(json), {
          audience: world.resource.identifier,
        });
        t.is(payload.iss, deployment.issuer);
      }
    }
  };
  await verify();
  const rotated = await patient(caller).call('POST', '/api/v1/keys/rotate', {
    headers: { ...(await deployment.administer(servers[0], 'keys')), 'Content-Type': 'application/json' },
    body: '{}',
  });
  t.is(rotated.status, 201, rotated.text);
  await verify();
});

run('a rolling restart under load fails no request that may be sent twice, and loses nothing', async t => {
  const { deployment, servers, proxy, caller } = await startAnother(t, { mayRepeat: isRetrySafe });
  const world = await populate(deployment, 4);
  const basic = [world.resource.id, world.resource.secret] as const;
  let isStopping = false;
  const answered = new EventCount();
  const failures: string[] = [];
  const live = new Set<string>();
  /** The port of the process that is being stopped. */
  let stopping: number | undefined;
  const note = async (ask: () => Promise<Answer>): Promise<Answer> => {
    for (;;) {
      const answer = await ask();
      // One that is starved may say that it cannot tell; one that stops may not.
      if (answer.status === 503 && servedBy(answer) !== stopping) continue;
      if (answer.status !== 200) failures.push(`${answer.status} ${answer.text}`);
      answered.note();
      return answer;
    }
  };
  const work = async (agent: TestAgent): Promise<void> => {
    for (let turn = 0; !isStopping; turn += 1) {
      const token = (await note(() => requestToken(caller, world, agent))).json?.access_token ?? '';
      const { json } = await note(() => caller.post('/introspect', { token }, { basic }));
      if (json?.active !== true) failures.push('a token that was just issued is not active');
      if (turn % 2 === 0) live.add(token);
      else {
        await note(() => caller.post('/revoke', { token }, { basic: agent.basic }));
        const { text } = await note(() => caller.post('/introspect', { token }, { basic }));
        if (text !== INACTIVE) failures.push('a revoked token is active');
      }
      await note(() => caller.call('GET', '/.well-known/oauth-authorization-server'));
      await note(() => caller.call('GET', '/jwks'));
    }
  };
  const callers = Promise.all(world.agents.flatMap(agent => [work(agent), work(agent)]));
  const progress = (requests: number) => Promise.race([answered.reached(answered.count + requests), callers]);

  let current = [...servers];
  for (let round = 0; round < 2; round += 1) {
    await progress(40);
    const [oldest, ...others] = current as [(typeof current)[0], ...typeof current];
    stopping = oldest.port;
    t.is(await oldest.end('SIGTERM'), 0, 'it ended in its own time');
    stopping = undefined;
    await progress(40);
    current = [...others, await deployment.restart(oldest)];
  }
  await progress(40);
  isStopping = true;
  await callers;

  t.log({ answered: answered.count, ...proxy.tries });
  t.deepEqual(failures, []);
  const asked = patient(caller);
  for (const token of live) t.true((await asked.post('/introspect', { token }, { basic })).json.active);
});

/** Two processes for one test alone. */
async function startAnother(
  t: ExecutionContext,
  options: Parameters<typeof startCluster>[2],
): Promise<Cluster> {
  if (!mongo) throw new Error('the test is skipped without MongoDB');
  return startCluster(t, await sharedMongo(t, mongo), options);
}

/**
 * Of answers to requests that cannot all be done, one did it. Who was told 503 does not know: that one may have.
 *
 * @returns the answer of the one, where it was told so
 */
function holdRace(
  t: ExecutionContext,
  answers: readonly Answer[],
  holdLoser: (answer: Answer) => void,
): Answer | undefined {
  const won = answers.filter(({ status }) => status === 200);
  const lost = answers.filter(({ status }) => status !== 200 && status !== 503);
  for (const answer of lost) holdLoser(answer);
  if (won.length + lost.length < answers.length) t.true(won.length <= 1);
  else t.is(won.length, 1);
  return won[0];
}
