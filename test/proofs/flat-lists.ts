/**
 * How much longer a page of a list takes with 100,000 agents than with 1,000: first, middle and last page, with each filter and in
 * each order.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentListQuery, listAgents } from '../../src/agents/list-agents.ts';
import type { AuditEvent } from '../../src/audit/index.ts';
import { type EventQuery, listEvents } from '../../src/audit/list-events.ts';
import { newId } from '../../src/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { agentRecord, event } from '../contract/records.ts';
import type { ProofHost } from './proof.ts';

const FEW = 1_000;
const START = 1_700_000_000_000;
const REPEATS = 60;
const PAGE = 50;
const IN_ONE_COMMIT = 250;

type List = (after: string | undefined, limit: number) => Promise<{ readonly next?: string }>;

/** A store with so many agents, each with a row in the trail; one in 20 was killed, and one in 20 has come to its end. */
async function fill(store: Store, agents: number): Promise<void> {
  for (let first = 0; first < agents; first += IN_ONE_COMMIT) {
    const changes: Change[] = [];
    const events: AuditEvent[] = [];
    for (let n = first; n < Math.min(first + IN_ONE_COMMIT, agents); n += 1) {
      const at = START + n * 1_000;
      const record = agentRecord({
        id: newId('agt', at),
        name: `Agent ${(n * 7_919) % agents}`,
        ownerId: idOf('usr', n % (agents / 100)),
        status: n % 20 === 7 ? 'suspended' : 'active',
        envelope: [{ resource: `https://${n % (agents / 200)}.example/mcp`, scopes: ['read'] }],
        createdAt: at,
        ...(n % 20 === 3 && { expiresAt: START }),
      });
      changes.push({ kind: 'insert', collection: 'agent', record });
      const client = idOf('agt', n % (agents / 100));
      const type = n % 20 === 7 ? 'agent.killed' : 'agent.created';
      events.push(event({ type, at, target: record.id, client }));
    }
    await store.commit({ changes, events, authority: { none: 'boot' } });
  }
}

function idOf<P extends string>(prefix: P, n: number): `${P}_${string}` {
  return `${prefix}_${String(n).padStart(32, '0')}`;
}

function listsOf(store: Store, agents: number): Readonly<Record<string, List>> {
  const now = START + agents * 1_000;
  const middle = START + (agents / 2) * 1_000;
  const ofAgents =
    (query: Partial<AgentListQuery>): List =>
    (after, limit) =>
      listAgents(store, { ...query, limit, after }, now);
  const ofEvents =
    (query: Partial<EventQuery>, kills = false): List =>
    (after, limit) =>
      listEvents(store, { ...query, limit, after }, kills);
  return {
    agents: ofAgents({}),
    'agents, newest first': ofAgents({ sort: '-id' }),
    'agents by name': ofAgents({ sort: 'name' }),
    'agents by last use': ofAgents({ sort: 'lastUsed' }),
    'agents, status active': ofAgents({ status: 'active' }),
    'agents, status suspended': ofAgents({ status: 'suspended' }),
    'agents, status expired': ofAgents({ status: 'expired' }),
    'agents of an owner': ofAgents({ ownerId: idOf('usr', 3) }),
    'agents of an owner, by name': ofAgents({ ownerId: idOf('usr', 3), sort: 'name' }),
    'agents for a resource server': ofAgents({ resource: 'https://3.example/mcp' }),
    'agents with a name': ofAgents({ namePrefix: 'agent 1' }),
    'agents last used before': ofAgents({ lastUsedBefore: middle }),
    'agents of an owner, active': ofAgents({ ownerId: idOf('usr', 3), status: 'active' }),
    audit: ofEvents({}),
    'audit by type': ofEvents({ type: 'agent.created' }),
    'audit by actor': ofEvents({ actor: idOf('agt', 3) }),
    'audit in a span of time': ofEvents({ since: START + 100_000, before: middle }),
    'audit by type in a span of time': ofEvents({ type: 'agent.killed', before: middle }),
    kills: ofEvents({}, true),
  };
}

/** Where the first, a middle and the last page begin. */
async function pagesOf(list: List): Promise<readonly (string | undefined)[]> {
  const starts: (string | undefined)[] = [undefined];
  for (;;) {
    const { next } = await list(starts.at(-1), PAGE);
    if (next === undefined) break;
    starts.push(next);
  }
  return [starts[0], starts[Math.floor(starts.length / 2)], starts.at(-1)];
}

/** Milliseconds, the median of many. */
async function timeOf(list: List, after: string | undefined): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < REPEATS; n += 1) {
    const startedAt = performance.now();
    await list(after, PAGE);
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[REPEATS / 2] ?? Number.NaN;
}

export interface ListFigures {
  readonly name: string;
  /** How many times as long its slowest page takes, compared to the same page of few. */
  readonly ratio: number;
  /** That page, of many. */
  readonly ms: number;
}

/** @param many at least 1,000 */
export async function measureLists(
  host: ProofHost,
  many: number,
  onList: (done: number, all: number) => void,
): Promise<readonly ListFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-lists-'));
  host.teardown(() => rm(directory, { recursive: true, force: true }));
  const measured = new Map<string, number[][]>();
  let done = 0;
  for (const [run, agents] of [FEW, many].entries()) {
    const lane = newId('lane', Date.now());
    const store = await openSqliteStore(join(directory, `${run}.sqlite`), { now: Date.now, lane });
    await fill(store, agents);
    const lists = Object.entries(listsOf(store, agents));
    for (const [name, list] of lists) {
      const times: number[] = [];
      for (const after of await pagesOf(list)) times.push(await timeOf(list, after));
      measured.set(name, [...(measured.get(name) ?? []), times]);
      done += 1;
      onList(done, 2 * lists.length);
    }
    await store.close();
  }
  return [...measured].map(([name, [ofFew = [], ofMany = []]]) => {
    const pages = ofFew.map((ms, page) => ({ ratio: (ofMany[page] ?? 0) / ms, ms: ofMany[page] ?? 0 }));
    const worst = pages.reduce((one, other) => (one.ratio >= other.ratio ? one : other));
    return { name, ratio: worst.ratio, ms: worst.ms };
  });
}
