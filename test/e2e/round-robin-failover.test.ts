/** A process behind the proxy dies without warning, again and again: the other one carries on, and nothing that was acknowledged is lost. */
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { emptyLedger, holdToLedger, holdTrail, type Ledger } from '../proofs/crash.ts';
import { populate, type World } from '../support/deployment.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import type { HttpCaller, ServerProcess } from '../support/server-process.ts';
import type { Answer, TestAgent } from '../support/start-app.ts';
import { administrator, requestToken, startCluster } from './round-robin.ts';

const KILLS = Number(process.env['COUNTERSIGN_TEST_KILLS'] ?? 6);
const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);
const CALLERS = 8;
const MAX_GAP_MS = 1_000;
/** As many kills as G8 asks for: `COUNTERSIGN_TEST_KILLS=100`. */
const WHOLE_PROOF = 100;

const mongo = await startMongoServer();
test.after.always(() => mongo?.stop());
const run = mongo ? test.serial : test.serial.skip;

run('I10, G8: alternating kills of two processes under load lose nothing acknowledged', async t => {
  if (!mongo) return;
  t.timeout(Math.max(300_000, KILLS * 30_000));
  // The proxy repeats nothing here: what breaks, callers see.
  const { deployment, servers, proxy, caller } = await startCluster(t, mongo);
  const world = await populate(deployment, KILLS + CALLERS);
  const ledger = emptyLedger();
  const headers = await administrator(caller, deployment);
  const load = startLoad(caller, world, ledger);
  const pauses = fc.sample(fc.integer({ min: 20, max: 150 }), { numRuns: KILLS, seed: SEED });

  const running: ServerProcess[] = [...servers];
  for (const [round, requests] of pauses.entries()) {
    await load.progress(t, requests);
    const victim = running[round % 2] as ServerProcess;
    const agentId = world.agents[round]?.id as string;
    const [code] = await Promise.all([victim.end('SIGKILL'), killAgent(caller, headers, agentId, ledger)]);
    t.is(code, null);
    await load.progress(t, 100);
    running[round % 2] = await deployment.restart(victim);
    await holdToLedger(t, running[round % 2] as ServerProcess, world, ledger, `round ${round}, seed ${SEED}`);
  }
  await load.progress(t, 100);
  const { failures, gapsMs } = await load.stop();
  const p90GapMs = gapsMs[Math.ceil(gapsMs.length * 0.9) - 1] ?? 0;
  const longestGapMs = gapsMs.at(-1) ?? 0;

  for (const server of running) await holdToLedger(t, server, world, ledger, `at the end, seed ${SEED}`);
  for (const server of running) t.is(await server.end('SIGTERM'), 0);
  const rows = await holdTrail(t, deployment, world, ledger);
  const { issued, revoked, killed } = ledger;
  t.log({
    server: mongo.name,
    seed: SEED,
    tokens: issued.size,
    revocations: revoked.size,
    kills: killed.size,
    rows,
    failures: failures.size ? Object.fromEntries(failures) : {},
    gaps: gapsMs.length,
    p90GapMs,
    longestGapMs,
    refused: proxy.tries.refused,
  });
  // A slice of it shares its processors with other tests, and then a single caller may wait for those.
  const gapMs = KILLS < WHOLE_PROOF ? p90GapMs : longestGapMs;
  t.true(gapMs <= MAX_GAP_MS, `a caller was without an answer for ${gapMs} ms`);
  t.true(issued.size > KILLS * 20 && revoked.size > KILLS * 5, 'there was load');
});

/** Callers that get tokens and revoke every third, and go on after a failure. */
function startLoad(caller: HttpCaller, world: World, ledger: Ledger) {
  let isStopping = false;
  let acknowledged = 0;
  const gapsMs: number[] = [];
  const failures = new Map<string, number>();

  const work = async (agent: TestAgent): Promise<void> => {
    let failingSince: number | undefined;
    /** @returns whether it was acknowledged */
    const attempt = async (send: () => ReturnType<HttpCaller['post']>) => {
      const sentAt = performance.now();
      const answer = await send().catch(asBroken);
      if (answer.status === 200) {
        acknowledged += 1;
        if (failingSince !== undefined) gapsMs.push(Math.round(performance.now() - failingSince));
        failingSince = undefined;
        return answer;
      }
      failingSince ??= sentAt;
      const kind = `${answer.status} ${answer.json?.error ?? ''}`.trim();
      failures.set(kind, (failures.get(kind) ?? 0) + 1);
      return undefined;
    };
    for (let turn = 0; !isStopping; turn += 1) {
      const issued = await attempt(() => requestToken(caller, world, agent));
      if (!issued) continue;
      const token: string = issued.json.access_token;
      ledger.issued.set(token, { agent: agent.id, at: Date.now() });
      if (turn % 3 !== 0) continue;
      ledger.revocationUnknown.add(token);
      if (await attempt(() => caller.post('/revoke', { token }, { basic: agent.basic })))
        ledger.revoked.add(token);
    }
  };
  const callers = Promise.all(world.agents.slice(-CALLERS).map(work));
  return {
    /** Waits until so many more requests have been acknowledged. */
    progress: async (t: { true(value: boolean, message?: string): void }, requests: number) => {
      const enough = acknowledged + requests;
      const deadline = performance.now() + 60_000;
      while (acknowledged < enough && performance.now() < deadline) await delay(5);
      t.true(acknowledged >= enough, 'requests are answered meanwhile');
    },
    stop: async () => {
      isStopping = true;
      await callers;
      return { failures, gapsMs: gapsMs.sort((a, b) => a - b) };
    },
  };
}

async function killAgent(
  caller: HttpCaller,
  headers: Readonly<Record<string, string>>,
  agentId: string,
  ledger: Ledger,
): Promise<void> {
  ledger.killUnknown.add(agentId);
  const answer = await caller.call('POST', `/api/v1/agents/${agentId}/kill`, { headers }).catch(asBroken);
  if (answer.status === 200) ledger.killed.add(agentId);
}

/** A connection that broke in the middle of an answer: what became of the request is not known. */
function asBroken(error: NodeJS.ErrnoException): Pick<Answer, 'status' | 'json'> {
  return { status: 0, json: { error: error.code ?? error.message } };
}
