/** What must hold between processes that share a store (I1, I7). */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { type Deployment, populate, type World } from '../support/deployment.ts';
import { patient, type ServerProcess } from '../support/server-process.ts';
import { type App, addKeyAgent, addPerson, type TestAgent } from '../support/start-app.ts';

/** Settings with which callers may be told apart by a header. */
export const BEHIND_PROXY = { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1,::1' };

const INACTIVE = '{"active":false}';

export interface KillReport {
  /** Of each kill: from its answer to the other process's refusal. */
  readonly refusedAfterMs: readonly number[];
  /** Requests of others that were answered meanwhile. */
  readonly load: number;
}

/**
 * Kills agents through one process while both are under load. Once the kill has been answered, the other process never again says
 * that the agent's token is active, and lets the agent in no more.
 */
export async function killUnderLoad(
  deployment: Deployment,
  kills: number,
  onKill: (kill: number) => void = () => undefined,
): Promise<KillReport> {
  const [first, second] = await Promise.all([deployment.start(), deployment.start()]);
  const world = await populate(deployment, kills + 4);
  const { resource, agents } = world;
  const load = startLoad([first, second], world, agents.slice(-4));
  const basic = [resource.id, resource.secret] as const;
  const other = patient(second);
  const refusedAfterMs: number[] = [];

  try {
    for (const [index, agent] of agents.slice(0, kills).entries()) {
      const token = await issue(first, world, agent);
      assert.equal((await other.post('/introspect', { token }, { basic })).json.active, true);
      const headers = await deployment.administer(first);
      const killed = await patient(first).call('POST', `/api/v1/agents/${agent.id}/kill`, { headers });
      assert.equal(killed.status, 200, killed.text);
      const acknowledgedAt = performance.now();
      assert.equal((await other.post('/introspect', { token }, { basic })).text, INACTIVE, `kill ${index}`);
      refusedAfterMs.push(performance.now() - acknowledgedAt);
      const form = { grant_type: 'client_credentials', resource: resource.identifier };
      assert.equal((await other.post('/token', form, { basic: agent.basic })).status, 401, `kill ${index}`);
      onKill(index + 1);
    }
  } finally {
    await load.stop();
  }
  return { refusedAfterMs, load: load.answered() };
}

/**
 * A process that was stopped while another one killed says nothing old when it goes on.
 *
 * @param sleepMs how long it sleeps on after the kill: no time, or longer than a process may trust what it knows
 */
export async function wakeAfterKill(deployment: Deployment, sleepMs: number): Promise<void> {
  const [first, second] = await Promise.all([deployment.start(), deployment.start()]);
  const world = await populate(deployment, 1);
  const agent = world.agents[0] as TestAgent;
  const { resource } = world;
  const headers = await deployment.administer(first);
  const token = await issue(second, world, agent);
  const basic = [resource.id, resource.secret] as const;
  assert.equal((await patient(second).post('/introspect', { token }, { basic })).json.active, true);

  await second.freeze();
  const killed = await patient(first).call('POST', `/api/v1/agents/${agent.id}/kill`, { headers });
  assert.equal(killed.status, 200, killed.text);
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const waiting = Promise.all([
    second.post('/introspect', { token }, { basic }),
    second.post('/token', form, { basic: agent.basic }),
  ]);
  await delay(sleepMs);
  second.signal('SIGCONT');
  const [introspected, issued] = await waiting;
  assert.ok(introspected.text === INACTIVE || introspected.status === 503, introspected.text);
  assert.ok(issued.status === 401 || issued.status === 503, issued.text);
}

export interface RaceReport {
  readonly attempts: number;
  readonly tokens: number;
}

/**
 * Presents one assertion to two processes at the same moment, many times over: it gets one token (I1). Start the deployment with
 * this machine as a trusted proxy (`BEHIND_PROXY`).
 */
export async function raceAssertions(
  deployment: Deployment,
  { races, width }: { readonly races: number; readonly width: number },
  onRace: (race: number) => void = () => undefined,
): Promise<RaceReport> {
  const servers = await Promise.all([deployment.start(), deployment.start()]);
  const world = await populate(deployment, 0);
  // One for each race, and an address: nobody may fail as often as these do.
  const agents = await deployment.withStore(async opened => {
    const app = opened as App;
    const owner = await addPerson(app);
    return Promise.all(Array.from({ length: races }, () => addKeyAgent(app, owner, world.resource)));
  });
  let tokens = 0;
  for (const [race, agent] of agents.entries()) {
    const headers = { 'X-Forwarded-For': `203.0.113.${race % 250}` };
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: agent.id, sub: agent.id, aud: deployment.issuer, jti: `race-${race}` };
    const assertion = await new SignJWT({ ...claims, iat: now, exp: now + 240 })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(agent.privateKey);
    const form = {
      grant_type: 'client_credentials',
      resource: world.resource.identifier,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    };
    const answers = await Promise.all(
      Array.from({ length: width }, (_, index) =>
        (servers[index % 2] as ServerProcess).post('/token', form, { headers }),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    const won = statuses.filter(status => status === 200).length;
    const where = `race ${race}: ${statuses.join(' ')}`;
    assert.ok(
      statuses.every(status => [200, 401, 503].includes(status)),
      where,
    );
    // Who was told 503 does not know: that one may have used it up.
    if (statuses.includes(503)) assert.ok(won <= 1, where);
    else assert.equal(won, 1, where);
    tokens += won;
    onRace(race + 1);
  }
  return { attempts: races * width, tokens };
}

async function issue(server: ServerProcess, { resource }: World, agent: TestAgent): Promise<string> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const answer = await patient(server).post('/token', form, { basic: agent.basic });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.access_token;
}

/** Callers that get tokens, ask about them and revoke them, at every server, until they are stopped. */
function startLoad(servers: readonly ServerProcess[], world: World, agents: readonly TestAgent[]) {
  let isStopping = false;
  let answered = 0;
  const basic = [world.resource.id, world.resource.secret] as const;
  const caller = async (server: ServerProcess, agent: TestAgent): Promise<void> => {
    while (!isStopping) {
      const token = await issue(server, world, agent);
      await server.post('/introspect', { token }, { basic });
      await server.post('/revoke', { token }, { basic: agent.basic });
      answered += 3;
    }
  };
  const callers = Promise.all(servers.flatMap(server => agents.map(agent => caller(server, agent))));
  return {
    stop: async (): Promise<void> => {
      isStopping = true;
      await callers;
    },
    answered: () => answered,
  };
}
