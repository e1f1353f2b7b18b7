/**
 * Kills the server without warning under load, again and again, and holds what comes back against a ledger of everything that
 * had been acknowledged (I1, I7, I10).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { storeTrail, verifyTrail } from '../../src/audit/index.ts';
import { isLive } from '../../src/liveness.ts';
import { type Deployment, populate, type World } from '../support/deployment.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { TestAgent } from '../support/start-app.ts';

export interface CrashOptions {
  readonly kills: number;
  /** The longest that a round runs before the kill, in milliseconds. */
  readonly maxRoundMs: number;
  /** How long a process may take to start. */
  readonly maxBootMs: number;
  /** Callers at work at once. */
  readonly callers: number;
  readonly seed: number;
  /** Kills what lies below the server too, such as its database, and brings it back. */
  crashBelow?(): Promise<void>;
}

/** What callers were told, and must therefore be so for ever. */
interface Ledger {
  /** Tokens whose issue was answered, by value. */
  readonly issued: Map<string, { readonly agent: string; readonly at: number }>;
  /** Tokens whose revocation was answered. */
  readonly revoked: Set<string>;
  /** Tokens that may have been revoked: the request was sent, the answer never came. */
  readonly revocationUnknown: Set<string>;
  /** Agents whose kill was answered. */
  readonly killed: Set<string>;
  readonly killUnknown: Set<string>;
}

export interface CrashReport {
  readonly tokens: number;
  readonly revocations: number;
  readonly kills: number;
  readonly bootP95Ms: number;
  readonly rows: number;
}

export async function crashUnderLoad(
  t: ExecutionContext,
  deployment: Deployment,
  options: CrashOptions,
): Promise<CrashReport> {
  let server = await deployment.start();
  const world = await populate(deployment, options.kills + 8);
  const ledger: Ledger = {
    issued: new Map(),
    revoked: new Set(),
    revocationUnknown: new Set(),
    killed: new Set(),
    killUnknown: new Set(),
  };
  const pauses = fc.sample(fc.integer({ min: 30, max: options.maxRoundMs }), {
    numRuns: options.kills,
    seed: options.seed,
  });
  const boots: number[] = [];

  for (const [round, pauseMs] of pauses.entries()) {
    const admin = await adminToken(deployment, server);
    const victim = world.agents[round] as TestAgent;
    const stopping = { isTrue: false };
    const callers = Array.from({ length: options.callers }, (_, caller) =>
      callUntilDead(server, world, ledger, stopping, caller),
    );
    const killing = killOne(server, admin, victim.id, ledger, Math.floor(pauseMs / 2));
    await delay(pauseMs);
    const ended = server.end('SIGKILL');
    await options.crashBelow?.();
    await ended;
    stopping.isTrue = true;
    await Promise.all([...callers, killing]);

    server = await deployment.restart(server);
    boots.push(server.bootMs);
    t.true(server.bootMs < options.maxBootMs, `started in ${server.bootMs} ms`);
    await holdToLedger(t, server, world, ledger, `round ${round}, seed ${options.seed}`);
  }

  const rows = await holdTrail(t, deployment, world, ledger);
  await server.end('SIGTERM');
  boots.sort((a, b) => a - b);
  return {
    tokens: ledger.issued.size,
    revocations: ledger.revoked.size,
    kills: ledger.killed.size,
    bootP95Ms: Math.round(boots[Math.floor(boots.length * 0.95)] ?? 0),
    rows,
  };
}

async function adminToken({ admin }: Deployment, server: ServerProcess): Promise<string> {
  const form = { grant_type: 'client_credentials', scope: 'kill' };
  const answer = await server.post('/token', form, { basic: [admin.clientId, admin.secret] });
  if (answer.status !== 200) throw new Error(`no administrator's token: ${answer.text}`);
  return answer.json.access_token;
}

/** Gets tokens and revokes every third of its own, noting what it was told, until the server is gone. */
async function callUntilDead(
  server: ServerProcess,
  { agents, resource }: World,
  ledger: Ledger,
  stopping: { readonly isTrue: boolean },
  caller: number,
): Promise<void> {
  const spare = agents.slice(-8);
  const agent = spare[caller % spare.length] as TestAgent;
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (let turn = 0; !stopping.isTrue; turn += 1) {
    try {
      const answer = await server.post('/token', form, { basic: agent.basic });
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      const token: string = answer.json.access_token;
      ledger.issued.set(token, { agent: agent.id, at: Date.now() });
      if (turn % 3 !== 0) continue;
      ledger.revocationUnknown.add(token);
      const revocation = await server.post('/revoke', { token }, { basic: agent.basic });
      if (revocation.status === 200) ledger.revoked.add(token);
    } catch (error) {
      // The connection broke: the server is gone, and what it did last is unknown.
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return;
    }
  }
}

/** Gives one agent a token and kills it, at some moment of the round. */
async function killOne(
  server: ServerProcess,
  admin: string,
  agentId: string,
  ledger: Ledger,
  afterMs: number,
): Promise<void> {
  await delay(afterMs);
  ledger.killUnknown.add(agentId);
  try {
    const headers = { Authorization: `Bearer ${admin}` };
    const answer = await server.call('POST', `/api/v1/agents/${agentId}/kill`, { headers });
    if (answer.status === 200) ledger.killed.add(agentId);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}

/** What was acknowledged holds: tokens live, revoked ones are dead, killed agents stay out. */
async function holdToLedger(
  t: ExecutionContext,
  server: ServerProcess,
  { resource, agents }: World,
  ledger: Ledger,
  when: string,
): Promise<void> {
  const basic = [resource.id, resource.secret] as const;
  // Everything of the last round, and a sample of what came before.
  const recent = [...ledger.issued.keys()].slice(-400);
  const revoked = [...ledger.revoked].slice(-200);
  await inParallel([...new Set([...recent, ...revoked])], 32, async token => {
    const { active } = (await server.post('/introspect', { token }, { basic })).json;
    if (ledger.revoked.has(token)) t.false(active, `a revoked token lives, ${when}`);
    else if (!ledger.revocationUnknown.has(token)) t.true(active, `an acknowledged token is lost, ${when}`);
  });
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (const agentId of ledger.killed) {
    const agent = agents.find(each => each.id === agentId) as TestAgent;
    const answer = await server.post('/token', form, { basic: agent.basic });
    t.is(answer.status, 401, `a killed agent came back, ${when}`);
  }
}

/** Every token in the store has its row in the trail, every acknowledged act too, and the trail verifies. */
async function holdTrail(
  t: ExecutionContext,
  deployment: Deployment,
  { agents }: World,
  ledger: Ledger,
): Promise<number> {
  return deployment.withStore(async ({ store }) => {
    const report = await verifyTrail(storeTrail(store));
    t.deepEqual(
      report.lanes.filter(lane => lane.firstBad),
      [],
    );
    t.true(report.isIntact);
    const issued = new Set<string>();
    const revoked = new Set<string>();
    const killed = new Set<string>();
    let rows = 0;
    for await (const page of storeTrail(store).rows()) {
      for (const row of page as { body: string }[]) {
        rows += 1;
        const { event } = JSON.parse(row.body);
        if (event.type === 'token.issued') issued.add(event.jti);
        if (event.type === 'token.revoked') revoked.add(event.jti);
        if (event.type === 'agent.killed') killed.add(event.target);
      }
    }
    for (const agent of agents) {
      for (const token of await store.listTokens(agent.id, 100_000)) {
        if (!isLive(token, store.epochs, Date.now())) continue;
        t.true(issued.has(token.jti), 'a usable token without its audit row');
      }
    }
    t.true(issued.size >= ledger.issued.size);
    t.true(revoked.size >= ledger.revoked.size);
    for (const agentId of ledger.killed) t.true(killed.has(agentId), 'a kill without its audit row');
    return rows;
  });
}

async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const next = async (): Promise<void> => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, next));
}
