/** No list of records scans a table or sorts: each page is a walk along one index, however many records there are. */
import { DatabaseSync } from 'node:sqlite';
import test from 'ava';
import type { PageRequest } from '../../src/input/index.ts';
import { listStatement } from '../../src/store/sqlite/list-statement.ts';
import { migrate } from '../../src/store/sqlite/migrations.ts';
import { rowsSql } from '../../src/store/sqlite/trail-reads.ts';

const ID = `agt_${'a'.repeat(32)}`;
const NAMED = `${Buffer.from('refunder').toString('base64url')}.${ID}`;
const USED = `${Buffer.from('1700000000000').toString('base64url')}.${ID}`;

function planOf(database: DatabaseSync, sql: string, values: readonly (string | number)[]): string[] {
  return database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all(...values)
    .map(row => String(row['detail']));
}

/** Every filter alone and with others, in every order, on the first page and on a later one. */
function* requests(table: string): Generator<PageRequest> {
  for (const facets of [
    [],
    ['owner usr_1'],
    ['owner usr_1', 'resource https://a.example', 'status active'],
  ]) {
    for (const order of ['id', '-id'] as const) {
      yield { limit: 50, order, facets };
      yield { limit: 50, order, facets, after: ID };
    }
    for (const namePrefix of [undefined, 'ref']) {
      const request = { limit: 50, order: 'name', facets, ...(namePrefix && { namePrefix }) } as const;
      yield request;
      yield { ...request, after: NAMED };
    }
    if (table !== 'agent') continue;
    for (const lastUsedBefore of [undefined, 1_700_000_000_000]) {
      const request = {
        limit: 50,
        order: 'lastUsed',
        facets,
        ...(lastUsedBefore && { lastUsedBefore }),
      } as const;
      yield request;
      yield { ...request, after: USED };
    }
  }
}

test('every list of agents, people, resource servers, delegations, elevations and audit rows walks along an index and sorts nothing', t => {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  let plans = 0;
  for (const table of ['agent', 'person', 'resource', 'delegation', 'elevation']) {
    for (const request of requests(table)) {
      const { sql, values } = listStatement(table, request);
      const plan = planOf(database, sql, values);
      const told = `${table} ${JSON.stringify(request)}: ${plan.join(' | ')}`;
      const { order, facets = [] } = request;
      // What is walked along is the first facet, and not every record with a look at what it is.
      const walk =
        order === 'lastUsed'
          ? /^SEARCH u .*agent_use_idle/
          : facets.length > 0 || order === 'name'
            ? /^SEARCH f .*\(facet=\?/
            : /^SEARCH \w+ .*\(id[<>]\?\)/;
      t.regex(plan[0] ?? '', walk, told);
      for (const step of plan) t.notRegex(step, /\bSCAN\b|TEMP B-TREE/, told);
      plans += 1;
    }
  }
  for (const [first, facets] of [
    ['audit', 0],
    ['f', 1],
    ['f', 3],
  ] as const) {
    const values = [
      ...(facets > 0 ? ['type agent.killed'] : []),
      9,
      0,
      ...Array(Math.max(facets - 1, 0)).fill('actor x'),
      50,
    ];
    const plan = planOf(database, rowsSql(facets), values);
    t.regex(plan[0] ?? '', new RegExp(`^SEARCH ${first} USING (?:INTEGER )?PRIMARY KEY`), plan.join(' | '));
    for (const step of plan) t.notRegex(step, /\bSCAN\b|TEMP B-TREE/, plan.join(' | '));
    plans += 1;
  }
  database.close();
  t.log(`${plans} plans`);
});
