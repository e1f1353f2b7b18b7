/**
 * How much longer a page of a list takes with 100,000 agents than with 1,000: first, middle and last page, with each filter and in
 * each order. `npm run proof:flat-lists [-- MANY]`; fails when a page takes more than twice as long.
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

const FEW = 1_000;
const MANY = Number(process.argv[2] ?? 100_000);
const START = 1_700_000_000_000;
const REPEATS = 60;
const PAGE = 50;
const ALLOWED_RATIO = 2;
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
    await store.commit({ changes, events });
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

const directory = await mkdtemp(join(tmpdir(), 'countersign-lists-'));
const measured = new Map<string, number[][]>();
try {
  for (const agents of [FEW, MANY]) {
    const lane = newId('lane', Date.now());
    const store = await openSqliteStore(join(directory, `${agents}.sqlite`), { now: Date.now, lane });
    const startedAt = performance.now();
    await fill(store, agents);
    console.log(`${agents} agents in ${Math.round((performance.now() - startedAt) / 1_000)} s`);
    for (const [name, list] of Object.entries(listsOf(store, agents))) {
      const times: number[] = [];
      for (const after of await pagesOf(list)) times.push(await timeOf(list, after));
      measured.set(name, [...(measured.get(name) ?? []), times]);
    }
    await store.close();
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}

console.log(
  'list'.padEnd(34),
  ...['first', 'middle', 'last'].map(page => `${page}: few, many ms, ratio`.padEnd(32)),
);
let worst = 0;
for (const [name, [few = [], many = []]] of measured) {
  const cells = few.map((ms, page) => {
    const ratio = (many[page] ?? 0) / ms;
    worst = Math.max(worst, ratio);
    return `${ms.toFixed(2)} ${(many[page] ?? 0).toFixed(2)} ${ratio.toFixed(2)}x`.padEnd(32);
  });
  console.log(name.padEnd(34), ...cells);
}
console.log(`at worst ${worst.toFixed(2)}x`);
if (worst > ALLOWED_RATIO) process.exitCode = 1;
