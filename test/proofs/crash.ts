/**
 * Kills the server without warning under load, again and again, and holds what comes back against a ledger of everything that
 * had been acknowledged (I1, I7, I10).
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { storeTrail, verifyTrail } from '../../src/audit/index.ts';
import { isLive } from '../../src/liveness.ts';
import { type Deployment, populate, type World } from '../support/deployment.ts';
import { EventCount } from '../support/event-count.ts';
import { isGone, patient, type ServerProcess } from '../support/server-process.ts';
import type { TestAgent } from '../support/start-app.ts';
import { assertUnproven } from './proof.ts';

const SPARE_AGENTS = 8;
const TOKEN_PAGE = 500;

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  /** Callers at work at once. */
  readonly callers: number;
  /** A round is killed when it has acknowledged so much at most. */
  readonly maxAcknowledged: number;
  /** Kills what lies below the server too, such as its database, and brings it back. */
  crashBelow?(): Promise<void>;
  onRound?(round: number): void;
}

/** What callers were told, and must therefore be so for ever. */
export interface Ledger {
  /** Tokens whose issue was answered. */
  readonly issued: Set<string>;
  /** Tokens whose revocation was answered. */
  readonly revoked: Set<string>;
  /** Tokens that may have been revoked: the request was sent, the answer never came. */
  readonly revocationUnknown: Set<string>;
  /** Agents whose kill was answered. */
  readonly killed: Set<string>;
  /** Each answer that made something so. */
  readonly acknowledged: EventCount;
}

/** When a round ends. */
interface Round {
  /** Killed when this much was acknowledged … */
  readonly after: number;
  /** … and, in half of the rounds, the agent's kill among it. */
  readonly awaitsKill: boolean;
}

export interface CrashReport {
  readonly tokens: number;
  readonly revocations: number;
  readonly kills: number;
  readonly rows: number;
  readonly firstBootMs: number;
  /** From the start of each next process to its being ready. */
  readonly recoveriesMs: readonly number[];
}

/** @throws {AssertionError} when something acknowledged is lost, or something dead lives */
export async function crashUnderLoad(deployment: Deployment, options: CrashOptions): Promise<CrashReport> {
  const { kills, seed, callers, maxAcknowledged } = options;
  let server = await deployment.start();
  const firstBootMs = server.bootMs;
  const world = await populate(deployment, kills + SPARE_AGENTS);
  const ledger = emptyLedger();
  const anyRound: fc.Arbitrary<Round> = fc.record({
    after: fc.integer({ min: 2, max: maxAcknowledged }),
    awaitsKill: fc.boolean(),
  });
  const recoveriesMs: number[] = [];

  for (const [index, round] of fc.sample(anyRound, { numRuns: kills, seed }).entries()) {
    await playRound(
      deployment,
      server,
      world,
      ledger,
      { ...round, victim: world.agents[index] as TestAgent },
      {
        callers,
        crash: async () => {
          const ended = server.end('SIGKILL');
          await options.crashBelow?.();
          await ended;
        },
      },
    );
    server = await deployment.restart(server);
    recoveriesMs.push(server.bootMs);
    await holdToLedger(server, world, ledger, `round ${index}, seed ${seed}`);
    options.onRound?.(index + 1);
  }

  const rows = await holdTrail(deployment, world, ledger);
  await server.end('SIGTERM');
  return {
    tokens: ledger.issued.size,
    revocations: ledger.revoked.size,
    kills: ledger.killed.size,
    rows,
    firstBootMs: Math.round(firstBootMs),
    recoveriesMs,
  };
}

export function emptyLedger(): Ledger {
  return {
    issued: new Set(),
    revoked: new Set(),
    revocationUnknown: new Set(),
    killed: new Set(),
    acknowledged: new EventCount(),
  };
}

/** Callers at work, an agent killed among them, and the crash once the round has acknowledged what it was to. */
async function playRound(
  deployment: Deployment,
  server: ServerProcess,
  world: World,
  ledger: Ledger,
  { after, awaitsKill, victim }: Round & { readonly victim: TestAgent },
  { callers, crash }: { readonly callers: number; readonly crash: () => Promise<void> },
): Promise<void> {
  const { acknowledged } = ledger;
  const before = acknowledged.count;
  const stopping = { isTrue: false };
  const work = Promise.all(
    Array.from({ length: callers }, (_, caller) => callUntilDead(server, world, ledger, stopping, caller)),
  );
  const killing = acknowledged
    .reached(before + Math.floor(after / 2))
    .then(() => killOne(deployment, server, victim.id, ledger));
  // Callers end only when the server has gone, or with what they should not have been told.
  await Promise.race([
    Promise.all([acknowledged.reached(before + after), awaitsKill ? killing : undefined]),
    work,
  ]);
  await crash();
  stopping.isTrue = true;
  await Promise.all([work, killing]);
}

/** Gets tokens and revokes every third of its own, noting what it was told, until the server is gone. */
async function callUntilDead(
  server: ServerProcess,
  { agents, resource }: World,
  ledger: Ledger,
  stopping: { readonly isTrue: boolean },
  caller: number,
): Promise<void> {
  const agent = agents.at(-1 - (caller % SPARE_AGENTS)) as TestAgent;
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  try {
    for (let turn = 0; !stopping.isTrue; turn += 1) {
      const answer = await patient(server).post('/token', form, { basic: agent.basic });
      assert.equal(answer.status, 200, answer.text);
      const token: string = answer.json.access_token;
      ledger.issued.add(token);
      ledger.acknowledged.note();
      if (turn % 3 !== 0) continue;
      ledger.revocationUnknown.add(token);
      const revocation = await server.post('/revoke', { token }, { basic: agent.basic });
      if (revocation.status !== 200) continue;
      ledger.revoked.add(token);
      ledger.acknowledged.note();
    }
  } catch (error) {
    // What it did last is unknown.
    if (!isGone(error)) throw error;
  }
}

async function killOne(
  deployment: Deployment,
  server: ServerProcess,
  agentId: string,
  ledger: Ledger,
): Promise<void> {
  try {
    const headers = await deployment.administer(server);
    const answer = await patient(server).call('POST', `/api/v1/agents/${agentId}/kill`, { headers });
    assert.equal(answer.status, 200, answer.text);
    ledger.killed.add(agentId);
    ledger.acknowledged.note();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** What was acknowledged holds: tokens live, revoked ones are dead, killed agents stay out. */
export async function holdToLedger(
  asked: Pick<ServerProcess, 'post' | 'call'>,
  { resource, agents }: World,
  ledger: Ledger,
  when: string,
): Promise<void> {
  const server = patient(asked);
  const basic = [resource.id, resource.secret] as const;
  // Everything of the last round, and a sample of what came before.
  const recent = [...ledger.issued].slice(-400);
  const revoked = [...ledger.revoked].slice(-200);
  await inParallel([...new Set([...recent, ...revoked])], 32, async token => {
    // There may be load meanwhile: what was revoked before it was asked is dead, what nobody has begun to revoke since is live.
    const wasRevoked = ledger.revoked.has(token);
    const answer = await server.post('/introspect', { token }, { basic });
    const told = `${when}: ${answer.status} ${answer.text}`;
    if (wasRevoked) assert.equal(answer.json.active, false, `a revoked token lives, ${told}`);
    else if (!ledger.revocationUnknown.has(token))
      assert.equal(answer.json.active, true, `an acknowledged token is lost, ${told}`);
  });
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (const agentId of ledger.killed) {
    const agent = agents.find(each => each.id === agentId) as TestAgent;
    const answer = await server.post('/token', form, { basic: agent.basic });
    assertUnproven(answer, `a killed agent came back, ${when}`);
  }
}

/**
 * Every token in the store has its row in the trail, every acknowledged act too, and the trail verifies.
 *
 * @returns how many rows it has
 */
export async function holdTrail(deployment: Deployment, { agents }: World, ledger: Ledger): Promise<number> {
  return deployment.withStore(async ({ store }) => {
    const report = await verifyTrail(storeTrail(store));
    assert.deepEqual(
      report.lanes.filter(lane => lane.firstBad),
      [],
    );
    assert.ok(report.isIntact);
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
      // By the page: a read of tens of thousands takes longer than the store lets one take.
      let page = await store.listTokens(agent.id, TOKEN_PAGE);
      for (; page.length > 0; page = await store.listTokens(agent.id, TOKEN_PAGE, page.at(-1)?.jti)) {
        for (const token of page) {
          if (!isLive(token, store.epochs, Date.now())) continue;
          assert.ok(issued.has(token.jti), 'a usable token without its audit row');
        }
      }
    }
    assert.ok(issued.size >= ledger.issued.size);
    assert.ok(revoked.size >= ledger.revoked.size);
    for (const agentId of ledger.killed) assert.ok(killed.has(agentId), 'a kill without its audit row');
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
