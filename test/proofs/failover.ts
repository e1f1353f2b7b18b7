/** A process behind a proxy dies without warning, again and again: the other one carries on, and nothing that was acknowledged is lost. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { requestToken, startCluster } from '../support/cluster.ts';
import { populate, type SharedStore, type World } from '../support/deployment.ts';
import { type HttpCaller, patient, type ServerProcess } from '../support/server-process.ts';
import type { Answer, TestAgent } from '../support/start-app.ts';
import { emptyLedger, holdToLedger, holdTrail, type Ledger } from './crash.ts';
import type { ProofHost } from './proof.ts';

const CALLERS = 8;
const RETRY_PAUSE_MS = 10;
/** Acknowledged by the process that is left, and again when both are back. */
const BETWEEN = 60;

export interface FailoverReport {
  readonly tokens: number;
  readonly revocations: number;
  readonly kills: number;
  readonly rows: number;
  /** How long a caller whose request failed went without an answer. */
  readonly gapsMs: readonly number[];
}

/** Kills two processes in turn while callers and an administrator are at work (I10). */
export async function killBehindProxy(
  host: ProofHost,
  shared: SharedStore,
  { kills, seed }: { readonly kills: number; readonly seed: number },
  onKill: (kill: number) => void = () => undefined,
): Promise<FailoverReport> {
  // The proxy repeats nothing here: what breaks, callers see.
  const { deployment, servers, caller } = await startCluster(host, shared);
  const world = await populate(deployment, kills + CALLERS);
  const ledger = emptyLedger();
  const load = startLoad(caller, world, ledger);
  const pauses = fc.sample(fc.integer({ min: 20, max: 150 }), { numRuns: kills, seed });

  const running: ServerProcess[] = [...servers];
  try {
    for (const [round, requests] of pauses.entries()) {
      await load.progress(requests);
      const victim = running[round % 2] as ServerProcess;
      const headers = await deployment.administer(running[(round + 1) % 2] as ServerProcess);
      const agentId = (world.agents[round] as TestAgent).id;
      await Promise.all([victim.end('SIGKILL'), killAgent(caller, headers, agentId, ledger)]);
      await load.progress(BETWEEN);
      running[round % 2] = await deployment.restart(victim);
      await holdToLedger(running[round % 2] as ServerProcess, world, ledger, `round ${round}, seed ${seed}`);
      onKill(round + 1);
    }
    await load.progress(BETWEEN);
  } finally {
    await load.stop();
  }
  const { gapsMs } = load;

  for (const server of running) await holdToLedger(server, world, ledger, `at the end, seed ${seed}`);
  for (const server of running) assert.equal(await server.end('SIGTERM'), 0);
  const rows = await holdTrail(deployment, world, ledger);
  const { issued, revoked, killed } = ledger;
  return { tokens: issued.size, revocations: revoked.size, kills: killed.size, rows, gapsMs };
}

/** Callers that get tokens and revoke every third, and go on after a failure. */
function startLoad(caller: HttpCaller, world: World, ledger: Ledger) {
  const { acknowledged } = ledger;
  let isStopping = false;
  const gapsMs: number[] = [];

  const work = async (agent: TestAgent): Promise<void> => {
    let failingSince: number | undefined;
    /** @returns the answer, where there was a good one */
    const attempt = async (send: () => Promise<Answer>): Promise<Answer | undefined> => {
      const sentAt = performance.now();
      const answer = await send().catch(asBroken);
      if (answer?.status === 200) {
        acknowledged.note();
        if (failingSince !== undefined) gapsMs.push(Math.round(performance.now() - failingSince));
        failingSince = undefined;
        return answer;
      }
      failingSince ??= sentAt;
      await delay(RETRY_PAUSE_MS);
      return undefined;
    };
    for (let turn = 0; !isStopping; turn += 1) {
      const issued = await attempt(() => requestToken(caller, world, agent));
      if (!issued) continue;
      const token: string = issued.json.access_token;
      ledger.issued.add(token);
      if (turn % 3 !== 0) continue;
      ledger.revocationUnknown.add(token);
      if (await attempt(() => caller.post('/revoke', { token }, { basic: agent.basic })))
        ledger.revoked.add(token);
    }
  };
  const callers = Promise.all(world.agents.slice(-CALLERS).map(work));
  return {
    /** Waits until so many more requests have been acknowledged. */
    progress: (requests: number) =>
      Promise.race([acknowledged.reached(acknowledged.count + requests), callers]),
    stop: async (): Promise<void> => {
      isStopping = true;
      await callers;
    },
    gapsMs: gapsMs as readonly number[],
  };
}

async function killAgent(
  caller: HttpCaller,
  headers: Readonly<Record<string, string>>,
  agentId: string,
  ledger: Ledger,
): Promise<void> {
  const asked = patient(caller);
  const answer = await asked.call('POST', `/api/v1/agents/${agentId}/kill`, { headers }).catch(asBroken);
  if (answer?.status === 200) ledger.killed.add(agentId);
}

/** A connection that broke in the middle of an answer: what became of the request is not known. */
function asBroken(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  return undefined;
}
