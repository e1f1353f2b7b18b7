/** What must hold between processes that share a store (I1, I7). */
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { type Deployment, populate, type World } from '../support/deployment.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { TestAgent } from '../support/start-app.ts';

const INACTIVE = '{"active":false}';

export interface KillReport {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Requests of others that were answered meanwhile. */
  readonly load: number;
}

/**
 * Kills agents through one process while both are under load, and measures how long the other one still takes their tokens:
 * from the moment at which the kill was answered.
 */
export async function measureKills(
  t: ExecutionContext,
  deployment: Deployment,
  kills: number,
): Promise<KillReport> {
  const [first, second] = await Promise.all([deployment.start(), deployment.start()]);
  const world = await populate(deployment, kills + 4);
  const { resource, agents } = world;
  const admin = await administrator(deployment, first);
  const load = startLoad([first, second], world, agents.slice(-4));
  const basic = [resource.id, resource.secret] as const;
  const delays: number[] = [];

  for (const agent of agents.slice(0, kills)) {
    const token = await issue(first, world, agent);
    t.true((await second.post('/introspect', { token }, { basic })).json.active);
    const killed = await first.call('POST', `/api/v1/agents/${agent.id}/kill`, { headers: admin });
    t.is(killed.status, 200);
    const acknowledgedAt = performance.now();
    for (;;) {
      const askedAt = performance.now();
      if ((await second.post('/introspect', { token }, { basic })).text === INACTIVE) {
        delays.push(askedAt - acknowledgedAt);
        break;
      }
      if (askedAt - acknowledgedAt > 5_000) return t.fail('the kill was never seen') as never;
    }
    const form = { grant_type: 'client_credentials', resource: resource.identifier };
    t.is((await second.post('/token', form, { basic: agent.basic })).status, 401);
  }

  const answered = await load.stop();
  delays.sort((a, b) => a - b);
  const at = (share: number) => Math.round((delays[Math.ceil(delays.length * share) - 1] ?? 0) * 10) / 10;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), load: answered };
}

/** A process that was stopped while another one killed says nothing old when it goes on. */
export async function wakeAfterKill(
  t: ExecutionContext,
  deployment: Deployment,
  sleepMs: number,
): Promise<void> {
  const [first, second] = await Promise.all([deployment.start(), deployment.start()]);
  const world = await populate(deployment, 1);
  const agent = world.agents[0] as TestAgent;
  const { resource } = world;
  const admin = await administrator(deployment, first);
  const token = await issue(second, world, agent);
  const basic = [resource.id, resource.secret] as const;
  t.true((await second.post('/introspect', { token }, { basic })).json.active);

  second.signal('SIGSTOP');
  t.is((await first.call('POST', `/api/v1/agents/${agent.id}/kill`, { headers: admin })).status, 200);
  const waiting = [
    second.post('/introspect', { token }, { basic }),
    second.post(
      '/token',
      { grant_type: 'client_credentials', resource: resource.identifier },
      { basic: agent.basic },
    ),
  ];
  await delay(sleepMs);
  second.signal('SIGCONT');
  const [introspected, issued] = await Promise.all(waiting);
  t.true(introspected?.text === INACTIVE || introspected?.status === 503, introspected?.text);
  t.true(issued?.status === 401 || issued?.status === 503, issued?.text);
}

/** Presents one assertion to two processes at the same moment, many times over. @returns how many tokens came of each */
export async function raceAssertions(
  deployment: Deployment,
  world: World,
  assertions: readonly string[],
  width: number,
): Promise<number[]> {
  const servers = await Promise.all([deployment.start(), deployment.start()]);
  const wins: number[] = [];
  for (const assertion of assertions) {
    const form = {
      grant_type: 'client_credentials',
      resource: world.resource.identifier,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    };
    const answers = await Promise.all(
      Array.from({ length: width }, (_, index) => (servers[index % 2] as ServerProcess).post('/token', form)),
    );
    wins.push(answers.filter(answer => answer.status === 200).length);
  }
  return wins;
}

async function administrator(
  { admin }: Deployment,
  server: ServerProcess,
): Promise<{ Authorization: string }> {
  const form = { grant_type: 'client_credentials', scope: 'kill' };
  const answer = await server.post('/token', form, { basic: [admin.clientId, admin.secret] });
  return { Authorization: `Bearer ${answer.json.access_token}` };
}

async function issue(server: ServerProcess, { resource }: World, agent: TestAgent): Promise<string> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const answer = await server.post('/token', form, { basic: agent.basic });
  if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`);
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
  const callers = servers.flatMap(server => agents.map(agent => caller(server, agent)));
  return {
    stop: async (): Promise<number> => {
      isStopping = true;
      await Promise.all(callers);
      return answered;
    },
  };
}
