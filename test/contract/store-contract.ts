/**
 * What every store must do, whichever database is behind it. Each test gets a database of its own; two stores opened on one are
 * two processes that share it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { agentFacets } from '../../src/agents/agent-facets.ts';
import type { Agent } from '../../src/agents/index.ts';
import { chainHash, emptyLane } from '../../src/audit/index.ts';
import { StoreUnavailable } from '../../src/errors.ts';
import { newId } from '../../src/ids.ts';
import type { PageRequest } from '../../src/input/index.ts';
import { isLive } from '../../src/liveness.ts';
import type { Store, StoreOptions } from '../../src/store/store.ts';
import type { TokenRecord } from '../../src/tokens/index.ts';
import { patientStore } from '../support/patience.ts';
import {
  agentRecord,
  cutOff,
  event,
  insertToken,
  keyRecord,
  personRecord,
  resourceRecord,
  tokenRecord,
  useOnce,
} from './records.ts';

/** A database that begins empty, and takes any number of stores. */
export interface TestDatabase {
  /** What `COUNTERSIGN_STORE` would say. */
  readonly location: string;
  open(options: StoreOptions): Promise<Store>;
}

export interface ContractSubject {
  readonly name: string;
  newDatabase(t: ExecutionContext): Promise<TestDatabase>;
  /**
   * Watches the trail of a database.
   *
   * @returns tells the targets of all rows so far in the order in which they were committed, once these are among them
   */
  watchCommits(
    t: ExecutionContext,
    database: TestDatabase,
  ): Promise<(targets: readonly string[]) => Promise<readonly string[]>>;
  /** Whether also a handle that a unit shares with others is ordered against its cutoffs. */
  readonly ordersSharedHandles: boolean;
}

const RACERS = 64;

/** Opens a store as one more process would, and closes it with the test. */
export async function openStore(
  t: ExecutionContext,
  database: TestDatabase,
  options: Partial<StoreOptions> = {},
): Promise<Store> {
  const store = patientStore(
    await database.open({
      now: Date.now,
      lane: newId('lane', Date.now()),
      // A test's own time is the database's too.
      databaseTime: options.now,
      ...options,
    }),
  );
  t.teardown(() => store.close());
  return store;
}

/** The rows of a lane, after checking that each is chained to the one before and that none is missing. */
export async function verifiedLane(t: ExecutionContext, store: Store, lane: string): Promise<string[]> {
  const rows = await store.readLane(lane, 1, 100_000);
  let { seq, hash } = emptyLane(lane);
  for (const row of rows) {
    seq += 1;
    hash = chainHash(hash, row.body);
    t.is(row.seq, seq, 'no row is missing');
    t.is(row.hash, hash, 'each row is chained to the one before');
  }
  return rows.map(row => {
    const { event } = JSON.parse(row.body);
    return event.jti ?? event.target ?? event.type;
  });
}

export function testStoreContract(subject: ContractSubject): void {
  const serial = (title: string, body: (t: ExecutionContext) => Promise<void>): void =>
    test.serial(`${subject.name}: ${title}`, body);

  async function oneStore(t: ExecutionContext, options: Partial<StoreOptions> = {}): Promise<Store> {
    return openStore(t, await subject.newDatabase(t), options);
  }

  async function twoStores(t: ExecutionContext): Promise<readonly [Store, Store]> {
    const database = await subject.newDatabase(t);
    return [await openStore(t, database), await openStore(t, database)];
  }

  serial('a committed token is found as it was put in, and nothing else is', async t => {
    const store = await oneStore(t);
    const token = tokenRecord({ answer: '{"active":true,"scope":"read \\u00e9 \\ud83d\\ude00"}' });
    t.deepEqual(await store.commit({ changes: [insertToken(token)], events: [event()] }), {
      committed: true,
    });
    t.deepEqual(await store.findToken(token.jti), token);
    t.is(await store.findToken(tokenRecord().jti), undefined);
    t.deepEqual(await store.commit({ changes: [insertToken(token)], events: [] }), {
      committed: false,
      conflict: 'already-exists',
    });
  });

  serial('records come back as they were put in', async t => {
    const store = await oneStore(t);
    const agent = agentRecord({ purpose: 'It has a $dollar and a dotted.key', expiresAt: 4_102_444_800_000 });
    const person = personRecord({ email: 'Ada@Example.org' });
    const resource = resourceRecord();
    const key = keyRecord();
    await store.commit({
      changes: [
        { kind: 'insert', collection: 'agent', record: agent },
        { kind: 'insert', collection: 'person', record: person },
        { kind: 'insert', collection: 'resource', record: resource },
        { kind: 'insert', collection: 'signing-key', record: key },
      ],
      events: [event()],
      authority: { none: 'boot' },
    });
    for (const _ of ['from the database', 'from memory']) {
      t.deepEqual(await store.findAgent(agent.id), agent);
      t.deepEqual(await store.findPerson(person.id), person);
      t.deepEqual(await store.findResource(resource.id), resource);
      t.deepEqual(await store.findResourceByIdentifier(resource.identifier), resource);
      t.deepEqual(await store.findSigningKey(key.id), key);
      t.deepEqual(await store.listSigningKeys(), [key]);
    }
  });

  serial('every signing key is listed, however many there are', async t => {
    const store = await oneStore(t);
    const keys = Array.from({ length: 2_001 }, () => keyRecord()).sort((a, b) => (a.id < b.id ? -1 : 1));
    await store.commit({
      changes: keys.map(record => ({ kind: 'insert', collection: 'signing-key', record })),
      events: [],
      authority: { none: 'boot' },
    });
    t.deepEqual(
      (await store.listSigningKeys()).map(({ id }) => id),
      keys.map(({ id }) => id),
    );
  });

  serial('every template is listed, however many there are, and no other agent', async t => {
    const store = await oneStore(t);
    const application = { redirectUris: [], selfRegistration: 'open' } as const;
    const templates = Array.from({ length: 2_001 }, (_, n) =>
      agentRecord({ id: `agt_t${String(n).padStart(5, '0')}`, application, credential: { method: 'none' } }),
    );
    const others = Array.from({ length: 3 }, (_, n) => agentRecord({ id: `agt_s${n}` }));
    await store.commit({
      changes: [...others, ...templates].map(record => ({ kind: 'insert', collection: 'agent', record })),
      events: [],
      authority: { none: 'boot' },
    });
    t.deepEqual(
      (await store.listTemplates()).map(({ id }) => id),
      templates.map(({ id }) => id),
    );
  });

  serial(
    'every cutoff is heard by another process, and by one that starts later, however many there are',
    async t => {
      const database = await subject.newDatabase(t);
      const [one, other] = [await openStore(t, database), await openStore(t, database)];
      const ids = Array.from({ length: 2_001 }, (_, n) => `tok_${n}`);
      await one.commit({ changes: ids.map(id => cutOff(id)), events: [event()] });
      await other.fresh();
      const later = await openStore(t, database);
      await later.fresh();
      for (const store of [one, other, later]) {
        t.deepEqual(
          ids.filter(id => store.epochs.raisedTo(id) !== 1),
          [],
        );
      }
    },
  );

  serial('a refusal is found by its request, and what was done is not', async t => {
    const [one, other] = await twoStores(t);
    const refused = event({ outcome: 'refused', reason: 'wrong', requestId: 'req_refused' });
    // What a caller sent stands in the detail, and is not mistaken for the event.
    const sent = { scope: '"outcome":"refused","requestId":"req_forged"' };
    const done = event({ requestId: 'req_done', detail: sent });
    await one.commit({ changes: [], events: [done, refused, event({ requestId: 'req_refused' })] });
    const found = await other.findRefusals('req_refused');
    t.deepEqual(
      found.map(row => JSON.parse(row.body).event.outcome),
      ['refused'],
    );
    for (const requestId of ['req_done', 'req_forged', 'req_', '']) {
      t.deepEqual(await other.findRefusals(requestId), [], requestId);
    }
  });

  serial('what was absent is found once it has been added', async t => {
    const [one, other] = await twoStores(t);
    const agent = agentRecord();
    t.is(await other.findAgent(agent.id), undefined);
    await one.commit({
      changes: [{ kind: 'insert', collection: 'agent', record: agent }],
      events: [event()],
      authority: { none: 'boot' },
    });
    await other.fresh();
    t.deepEqual(await other.findAgent(agent.id), agent);
  });

  serial('an answer is kept with what it tells of, or neither is; an expired one gives way', async t => {
    const [one, other] = await twoStores(t);
    const now = Date.now();
    const kept = (answer: string, expiresAt = now + 1_000) => {
      return { id: 'key-1', requestDigest: 'request', expiresAt, answer };
    };
    const keep = (store: Store, answer: string, record = agentRecord(), at = now, expiresAt?: number) =>
      store.commit({
        changes: [
          { kind: 'keep-answer', kept: kept(answer, expiresAt), now: at },
          { kind: 'insert', collection: 'agent', record },
        ],
        events: [event({ target: record.id })],
        authority: { none: 'boot' },
      });
    const taken = agentRecord({ id: 'agt_taken' });
    await one.commit({
      changes: [{ kind: 'insert', collection: 'agent', record: taken }],
      events: [],
      authority: { none: 'boot' },
    });
    t.deepEqual(await keep(one, 'lost', taken), { committed: false, conflict: 'already-exists' });
    t.is(await one.findKeptAnswer('key-1'), undefined);

    const outcomes = await Promise.all(
      Array.from({ length: RACERS }, (_, n) =>
        keep(n % 2 === 0 ? one : other, `${n}`, agentRecord({ id: `agt_${n}` })),
      ),
    );
    const won = outcomes.findIndex(({ committed }) => committed);
    t.is(outcomes.filter(({ committed }) => committed).length, 1);
    t.deepEqual(
      outcomes.find(({ committed }) => !committed),
      { committed: false, conflict: 'already-used' },
    );
    for (const store of [one, other]) {
      t.deepEqual(await store.findKeptAnswer('key-1'), kept(`${won}`));
      t.is((await store.listAgents({ limit: 200 })).items.length, 2);
    }
    t.deepEqual(await keep(one, 'early', agentRecord(), now + 999), {
      committed: false,
      conflict: 'already-used',
    });
    t.true((await keep(one, 'later', agentRecord(), now + 1_000, now + 2_000)).committed);
    t.deepEqual(await other.findKeptAnswer('key-1'), kept('later', now + 2_000));
    t.is(await other.findKeptAnswer('key-2'), undefined);
  });

  serial(
    'I16: no attempt is lost or let off, however many processes count at once, and they are read as counted',
    async t => {
      const database = await subject.newDatabase(t);
      const [one, other] = [await openStore(t, database), await openStore(t, database)];
      const expiresAt = Date.now() + 600_000;
      const add = (store: Store, key: string, count = 1) => store.addAttempts([{ key, count, expiresAt }]);
      t.deepEqual(await one.readAttempts(['a', 'b']), [0, 0]);
      const racers = Array.from({ length: RACERS }, (_, index) => add(index % 2 === 0 ? one : other, 'a'));
      const totals = (await Promise.all(racers)).flat().sort((left, right) => left - right);
      t.true(
        totals.every((total, index) => total > index),
        'nobody is told of fewer than there were',
      );
      t.deepEqual(await add(other, 'b', 5), [5]);
      for (const store of [one, other]) {
        t.deepEqual(await store.readAttempts(['b', 'never', 'a']), [5, 0, RACERS]);
      }
      t.deepEqual(await one.readAttempts([]), []);
      const later = await openStore(t, database);
      t.deepEqual(await later.readAttempts(['a']), [RACERS], 'and outlasts who counted');
    },
  );

  serial('lists go from page to page in order of identifier', async t => {
    const store = await oneStore(t);
    const agents = Array.from({ length: 5 }, (_, n) => agentRecord({ id: `agt_${n}` }));
    await Promise.all(
      agents.toReversed().map(record =>
        store.commit({
          changes: [{ kind: 'insert', collection: 'agent', record }],
          events: [event()],
          authority: { none: 'boot' },
        }),
      ),
    );
    const first = await store.listAgents({ limit: 2 });
    t.deepEqual(first, { items: agents.slice(0, 2), next: 'agt_1' });
    t.deepEqual(await store.listAgents({ limit: 2, after: 'agt_1' }), {
      items: agents.slice(2, 4),
      next: 'agt_3',
    });
    t.deepEqual(await store.listAgents({ limit: 2, after: 'agt_3' }), { items: agents.slice(4) });
    t.deepEqual(await store.listPeople({ limit: 2 }), { items: [] });
  });

  serial(
    'lists of agents are what the filters say, in the order that was asked for, page by page',
    async t => {
      const database = await subject.newDatabase(t);
      const first = await database.open({ now: Date.now, lane: newId('lane', Date.now()) });
      const start = 1_700_000_000_000;
      const agents = Array.from({ length: 60 }, (_, n) =>
        agentRecord({
          id: `agt_${String(n).padStart(4, '0')}`,
          name: ['Refunder', 'refund Ωmega', 'Ärger', 'Bot', 'REFUSER 😀', 'Réf'][n % 6] as string,
          ownerId: `usr_${n % 4}`,
          status: (['active', 'suspended', 'retired'] as const)[n % 3] ?? 'active',
          envelope: [
            { resource: `https://${n % 5}.example/mcp`, scopes: ['read'] },
            ...(n % 2 === 0 ? [{ resource: 'https://even.example/', scopes: ['read'] }] : []),
          ],
          createdAt: start + (n % 7) * 1_000,
          ...(n % 10 === 0 && { expiresAt: start }),
        }),
      );
      const inserted = agents.map(record => ({ kind: 'insert', collection: 'agent', record }) as const);
      await first.commit({ changes: inserted, events: [event()], authority: { none: 'boot' } });
      // Another owner, another standing, another name: it is found under what it is, and no longer under what it was.
      const [moved] = agents;
      if (!moved) return;
      agents[0] = { ...moved, name: 'Zed', ownerId: 'usr_9', status: 'suspended', version: 2 };
      await first.commit({
        changes: [{ kind: 'replace', collection: 'agent', record: agents[0], ifVersion: 1 }],
        events: [event()],
        authority: { none: 'boot' },
      });
      const usedAt = new Map(
        agents.filter((_, n) => n % 3 === 1).map(({ id }, n) => [id, start + 10_000 + n * 700]),
      );
      for (const [id, at] of usedAt) first.noteUse(id, at);
      await first.close();
      const store = await openStore(t, database);

      const idleSince = ({ id, createdAt }: (typeof agents)[number]) => usedAt.get(id) ?? createdAt;
      const facetLists = [
        ...[[], ['owner usr_1'], ['owner usr_9'], ['owner usr_0'], ['status suspended'], ['expires']],
        ...[['resource https://even.example'], ['resource https://3.example/mcp', 'status active']],
        ...[['owner usr_2', 'resource https://even.example', 'status retired'], ['owner usr_77']],
      ];
      // By code points, as both databases order text.
      const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
      const byId = (a: { id: string }, b: { id: string }) => compare(a.id, b.id);
      const nameKey = ({ name }: { name: string }) => name.toLowerCase();
      const orders: [Partial<PageRequest>, (a: Agent, b: Agent) => number, (agent: Agent) => boolean][] = [
        [{}, byId, () => true],
        [{ order: '-id' }, (a, b) => byId(b, a), () => true],
        [{ order: 'name' }, (a, b) => compare(nameKey(a), nameKey(b)) || byId(a, b), () => true],
        ...['ref', 'r', 'ärg', 'refuser 😀', 'no'].map((namePrefix): (typeof orders)[number] => [
          { order: 'name', namePrefix },
          (a, b) => compare(nameKey(a), nameKey(b)) || byId(a, b),
          agent => nameKey(agent).startsWith(namePrefix),
        ]),
        ...[undefined, start + 13_000, start].map((lastUsedBefore): (typeof orders)[number] => [
          { order: 'lastUsed', ...(lastUsedBefore && { lastUsedBefore }) },
          (a, b) => idleSince(a) - idleSince(b) || byId(a, b),
          agent => idleSince(agent) < (lastUsedBefore ?? Number.POSITIVE_INFINITY),
        ]),
      ];
      for (const facets of facetLists) {
        for (const [request, order, isMeant] of orders) {
          const expected = agents
            .filter(agent => facets.every(facet => agentFacets(agent).includes(facet)) && isMeant(agent))
            .sort(order);
          const found: string[] = [];
          let after: string | undefined;
          do {
            const page = await store.listAgents({ limit: 7, facets, ...request, ...(after && { after }) });
            found.push(...page.items.map(({ id }) => id));
            after = page.next;
          } while (after !== undefined);
          t.deepEqual(
            found,
            expected.map(({ id }) => id),
            JSON.stringify({ facets, ...request }),
          );
        }
      }
      const never = agents.find(({ id }) => !usedAt.has(id));
      t.is(await store.findLastUse(never?.id ?? ''), undefined);
    },
  );

  serial('the tokens of a client are listed newest first, without expired ones', async t => {
    const store = await oneStore(t);
    const now = Math.floor(Date.now() / 1000);
    const tokens = Array.from({ length: 4 }, (_, n) =>
      tokenRecord({ clientId: 'agt_1', issuedAt: now - 400 + n * 100, expiresAt: now - 100 + n * 100 }),
    );
    for (const token of [...tokens, tokenRecord({ clientId: 'agt_2' })]) {
      await store.commit({ changes: [insertToken(token)], events: [event()] });
    }
    const newest = [tokens[3], tokens[2]];
    t.deepEqual(await store.listTokens('agt_1', 10), newest);
    t.deepEqual(await store.listTokens('agt_1', 1), newest.slice(0, 1));
    t.deepEqual(await store.listTokens('agt_3', 10), []);
  });

  serial('the tokens of a client come page after page, also those of one second', async t => {
    const store = await oneStore(t);
    const now = Math.floor(Date.now() / 1000);
    const tokens = Array.from({ length: 9 }, (_, n) =>
      tokenRecord({ clientId: 'agt_1', issuedAt: now - Math.floor(n / 4), expiresAt: now + 100 }),
    );
    for (const token of tokens) await store.commit({ changes: [insertToken(token)], events: [event()] });
    const seen: TokenRecord[] = [];
    for (;;) {
      const page = await store.listTokens('agt_1', 2, seen.at(-1)?.jti);
      if (page.length === 0) break;
      seen.push(...page);
    }
    t.is(new Set(seen.map(({ jti }) => jti)).size, 9);
    t.deepEqual(
      seen.map(({ issuedAt }) => issuedAt),
      tokens.map(({ issuedAt }) => issuedAt).toSorted((a, b) => b - a),
    );
  });

  serial('I1: of 64 racers in two processes, one uses up a single-use value', async t => {
    const [one, other] = await twoStores(t);
    const outcomes = await Promise.all(
      Array.from({ length: RACERS }, (_, n) =>
        (n % 2 ? one : other).commit({ changes: [useOnce('a jti')], events: [event({ jti: `racer ${n}` })] }),
      ),
    );
    t.is(outcomes.filter(outcome => outcome.committed).length, 1);
    t.true(outcomes.every(outcome => outcome.committed || outcome.conflict === 'already-used'));
    const rows = (await one.readNewest(1_000)).filter(row => row.body.includes('racer'));
    t.is(rows.length, 1, 'only the winner is in the trail');
  });

  serial('I1: letter case and spacing make another single-use value', async t => {
    const store = await oneStore(t);
    for (const value of ['jti', 'JTI', 'jti ', '']) {
      t.true((await store.commit({ changes: [useOnce(value)], events: [] })).committed);
      t.false((await store.commit({ changes: [useOnce(value)], events: [] })).committed);
    }
  });

  serial('of two units in a row, the second has what the first did not get to use', async t => {
    const store = await oneStore(t);
    await store.commit({ changes: [useOnce('used')], events: [] });
    const outcomes = await Promise.all([
      store.commit({ changes: [useOnce('free'), useOnce('used')], events: [event({ jti: 'first' })] }),
      store.commit({ changes: [useOnce('free')], events: [event({ jti: 'second' })] }),
      store.commit({ changes: [useOnce('free')], events: [event({ jti: 'third' })] }),
    ]);
    t.deepEqual(outcomes, [
      { committed: false, conflict: 'already-used' },
      { committed: true },
      { committed: false, conflict: 'already-used' },
    ]);
  });

  serial('of 64 racers that add the same record, one does', async t => {
    const [one, other] = await twoStores(t);
    const id = agentRecord().id;
    const outcomes = await Promise.all(
      Array.from({ length: RACERS }, (_, n) =>
        (n % 2 ? one : other).commit({
          changes: [{ kind: 'insert', collection: 'agent', record: agentRecord({ id, name: `Racer ${n}` }) }],
          events: [event({ target: `racer ${n}` })],
          authority: { none: 'boot' },
        }),
      ),
    );
    const winners = outcomes.flatMap((outcome, n) => (outcome.committed ? [n] : []));
    t.is(winners.length, 1);
    t.true(outcomes.every(outcome => outcome.committed || outcome.conflict === 'already-exists'));
    await one.fresh();
    t.is((await one.findAgent(id))?.name, `Racer ${winners[0]}`);
  });

  serial(
    'a resource identifier is taken with and without its trailing slash, and found however scheme, host and port are spelt; letter case of its path counts',
    async t => {
      const store = await oneStore(t);
      const insert = (identifier: string) =>
        store.commit({
          changes: [{ kind: 'insert', collection: 'resource', record: resourceRecord({ identifier }) }],
          events: [event()],
          authority: { none: 'boot' },
        });
      t.true((await insert('https://a.example/mcp')).committed);
      t.deepEqual(await insert('https://a.example/mcp/'), { committed: false, conflict: 'already-exists' });
      t.true((await insert('https://a.example/MCP')).committed);
      t.is(
        (await store.findResourceByIdentifier('https://a.example/mcp/'))?.identifier,
        'https://a.example/mcp',
      );
      t.is(
        (await store.findResourceByIdentifier('https://a.example/MCP'))?.identifier,
        'https://a.example/MCP',
      );
      for (const spelt of ['https://A.example/mcp', 'HTTPS://a.example:443/mcp/'])
        t.is((await store.findResourceByIdentifier(spelt))?.identifier, 'https://a.example/mcp', spelt);
      for (const other of ['https://a.example/mcp//', 'http://a.example:443/mcp', 'https://a.example:80/mcp'])
        t.is(await store.findResourceByIdentifier(other), undefined, other);
    },
  );

  serial('an e-mail address is taken in any letter case, and any number of people have none', async t => {
    const store = await oneStore(t);
    const insert = (overrides: Parameters<typeof personRecord>[0]) =>
      store.commit({
        changes: [{ kind: 'insert', collection: 'person', record: personRecord(overrides) }],
        events: [event()],
        authority: { none: 'boot' },
      });
    t.true((await insert({ email: 'ada@example.org' })).committed);
    t.deepEqual(await insert({ email: 'Ada@Example.ORG' }), { committed: false, conflict: 'already-exists' });
    t.true((await insert({})).committed);
    t.true((await insert({})).committed);
  });

  serial('a replacement does not take a unique value that another record has, and frees its own', async t => {
    const store = await oneStore(t);
    const ada = personRecord({ email: 'ada@example.org' });
    const bob = personRecord({ email: 'bob@example.org' });
    for (const record of [ada, bob]) {
      await store.commit({
        changes: [{ kind: 'insert', collection: 'person', record }],
        events: [event()],
        authority: { none: 'boot' },
      });
    }
    const replace = (record: typeof ada, ifVersion: number) =>
      store.commit({
        changes: [{ kind: 'replace', collection: 'person', record, ifVersion }],
        events: [event()],
        authority: { none: 'boot' },
      });
    t.false((await replace({ ...bob, version: 2, email: 'ADA@example.org' }, 1)).committed);
    await store.fresh();
    t.deepEqual(await store.findPerson(bob.id), bob);
    const { email: _, ...withoutEmail } = ada;
    t.true((await replace({ ...withoutEmail, version: 2 }, 1)).committed);
    t.true((await replace({ ...bob, version: 2, email: 'ada@example.org' }, 1)).committed);
  });

  serial('of 64 racers that replace one version of a record, one does', async t => {
    const [one, other] = await twoStores(t);
    const agent = agentRecord();
    await one.commit({
      changes: [{ kind: 'insert', collection: 'agent', record: agent }],
      events: [event()],
      authority: { none: 'boot' },
    });
    const outcomes = await Promise.all(
      Array.from({ length: RACERS }, (_, n) =>
        (n % 2 ? one : other).commit({
          changes: [
            {
              kind: 'replace',
              collection: 'agent',
              record: { ...agent, version: 2, name: `Racer ${n}` },
              ifVersion: 1,
            },
          ],
          events: [event({ target: `racer ${n}` })],
          authority: { none: 'boot' },
        }),
      ),
    );
    const winners = outcomes.flatMap((outcome, n) => (outcome.committed ? [n] : []));
    t.is(winners.length, 1);
    t.true(outcomes.every(outcome => outcome.committed || outcome.conflict === 'version-changed'));
    for (const store of [one, other]) {
      await store.fresh();
      t.is((await store.findAgent(agent.id))?.name, `Racer ${winners[0]}`);
    }
  });

  serial('what does not exist cannot be replaced', async t => {
    const store = await oneStore(t);
    const outcome = await store.commit({
      changes: [{ kind: 'replace', collection: 'agent', record: agentRecord({ version: 2 }), ifVersion: 1 }],
      events: [event()],
      authority: { none: 'boot' },
    });
    t.deepEqual(outcome, { committed: false, conflict: 'version-changed' });
  });

  serial('I10: a failed unit leaves nothing behind, and its neighbours commit without a gap', async t => {
    const database = await subject.newDatabase(t);
    const lane = newId('lane', Date.now());
    const store = await openStore(t, database, { lane });
    const other = await openStore(t, database);
    await store.commit({ changes: [useOnce('used')], events: [] });
    const good = Array.from({ length: 4 }, () => tokenRecord());
    const bad = Array.from({ length: 3 }, () => tokenRecord());
    const units = good.flatMap((token, n) => {
      const failing = bad[n];
      const goodUnit = { changes: [insertToken(token)], events: [event({ jti: token.jti })] };
      if (!failing) return [goodUnit];
      // The change that fails comes last, when everything else of the unit has been done.
      const changes = [
        insertToken(failing),
        useOnce(`spent with ${n}`),
        cutOff(`cut by ${n}`),
        useOnce('used'),
      ];
      return [goodUnit, { changes, events: [event({ jti: failing.jti }), event({ jti: failing.jti })] }];
    });
    const outcomes = await Promise.all(units.map(unit => store.commit(unit)));

    t.deepEqual(
      outcomes.map(outcome => outcome.committed),
      [true, false, true, false, true, false, true],
    );
    for (const process of [store, other]) {
      await process.fresh();
      for (const token of good) t.truthy(await process.findToken(token.jti));
      for (const [n, token] of bad.entries()) {
        t.is(await process.findToken(token.jti), undefined);
        t.is(process.epochs.raisedTo(`cut by ${n}`), 0);
      }
    }
    for (const n of bad.keys()) {
      t.true((await store.commit({ changes: [useOnce(`spent with ${n}`)], events: [] })).committed);
    }
    t.deepEqual(await verifiedLane(t, store, lane), ['lane.opened', ...good.map(token => token.jti)]);
  });

  serial('units of one process are in its lane in the order in which they were handed over', async t => {
    const lane = newId('lane', Date.now());
    const store = await oneStore(t, { lane });
    const names = Array.from({ length: 100 }, (_, n) => `unit ${n}`);
    await Promise.all(
      names.map((jti, n) =>
        store.commit({
          changes:
            n % 10 === 5
              ? [{ kind: 'insert', collection: 'agent', record: agentRecord() }]
              : [insertToken(tokenRecord())],
          events: [event({ jti })],
          authority: { none: 'boot' },
        }),
      ),
    );
    t.deepEqual(await verifiedLane(t, store, lane), ['lane.opened', ...names]);
  });

  serial('every process has a lane of its own, and the newest rows of all come first', async t => {
    const database = await subject.newDatabase(t);
    const lanes = ['lane_b', 'lane_a'];
    const [one, other] = [
      await openStore(t, database, { lane: 'lane_b' }),
      await openStore(t, database, { lane: 'lane_a' }),
    ];
    let at = Date.now() + 1_000;
    for (const store of [one, other, one]) {
      at += 1_000;
      await store.commit({
        changes: [],
        events: [event({ jti: `at ${at}`, at }), event({ jti: `2 at ${at}`, at })],
      });
    }
    const heads = await other.listLanes();
    t.deepEqual(
      heads.map(head => [head.lane, head.seq]),
      [
        [lanes[0], 5],
        [lanes[1], 3],
      ],
      'in order of age',
    );
    for (const head of heads) {
      const [last] = await one.readLane(head.lane, head.seq, 10);
      t.is(last?.hash, head.hash);
      await verifiedLane(t, one, head.lane);
    }
    const newest = await one.readNewest(3);
    t.deepEqual(
      newest.map(row => [row.lane, row.seq]),
      [
        ['lane_b', 5],
        ['lane_b', 4],
        ['lane_a', 3],
      ],
    );
    t.deepEqual(
      (await one.readLane('lane_b', 2, 2)).map(row => row.seq),
      [2, 3],
    );
  });

  serial('a cutoff is known to its own process when its commit resolves, and it never sinks', async t => {
    const store = await oneStore(t);
    await store.commit({ changes: [cutOff('agt_1', 3)], events: [event()] });
    t.is(store.epochs.raisedTo('agt_1'), 3);
    await store.commit({ changes: [cutOff('agt_1', 2)], events: [event()] });
    t.is(store.epochs.raisedTo('agt_1'), 3);
    t.is(store.epochs.raisedTo('AGT_1'), 0);
  });

  serial('a cutoff is known to a process that starts later', async t => {
    const database = await subject.newDatabase(t);
    const first = await openStore(t, database);
    const agent = agentRecord();
    const token = tokenRecord({}, agent);
    await first.commit({
      changes: [
        { kind: 'insert', collection: 'agent', record: agent },
        insertToken(token),
        cutOff('tok_other'),
      ],
      events: [event()],
      authority: { none: 'boot' },
    });
    await first.commit({
      changes: [
        { kind: 'replace', collection: 'agent', record: { ...agent, version: 2, epoch: 1 }, ifVersion: 1 },
      ],
      events: [event()],
      authority: { none: 'boot' },
    });
    await first.close();
    const second = await openStore(t, database);
    const found = await second.findToken(token.jti);
    t.deepEqual(found, token);
    t.false(isLive(token, second.epochs, Date.now()));
    t.is(second.epochs.raisedTo('tok_other'), 1);
  });

  serial('I7: a token that one process cuts off is dead to the next question put to another', async t => {
    const [one, other] = await twoStores(t);
    let isOver = false;
    const load = Array.from({ length: 4 }, async () => {
      while (!isOver) await one.commit({ changes: [insertToken(tokenRecord())], events: [event()] });
    });
    const tokens = Array.from({ length: 100 }, () => tokenRecord());
    await one.commit({ changes: tokens.map(insertToken), events: [event()] });
    for (const token of tokens) {
      t.truthy(await other.findToken(token.jti));
      t.true(isLive(token, other.epochs, Date.now()));
      await one.commit({ changes: [cutOff(token.jti)], events: [event({ type: 'token.revoked' })] });
      await other.findToken(token.jti);
      t.false(isLive(token, other.epochs, Date.now()));
    }
    isOver = true;
    await Promise.all(load);
  });

  serial('I7: a token decided before a kill and committed after it is dead everywhere', async t => {
    const [one, other] = await twoStores(t);
    const agent = agentRecord();
    await one.commit({
      changes: [{ kind: 'insert', collection: 'agent', record: agent }],
      events: [event()],
      authority: { none: 'boot' },
    });
    await other.fresh();
    const decided = tokenRecord({}, (await other.findAgent(agent.id)) ?? agent);
    await one.commit({
      changes: [
        {
          kind: 'replace',
          collection: 'agent',
          record: { ...agent, version: 2, epoch: 1, status: 'suspended' },
          ifVersion: 1,
        },
      ],
      events: [event({ type: 'agent.killed' })],
      authority: { none: 'boot' },
    });
    const outcome = await other.commit({ changes: [insertToken(decided)], events: [event()] });
    t.true(outcome.committed, 'the store does not decide');
    for (const store of [one, other]) {
      t.deepEqual(await store.findToken(decided.jti), decided);
      t.false(isLive(decided, store.epochs, Date.now()));
    }
  });

  serial('a record that one process replaces is never found old by another that is fresh', async t => {
    const [one, other] = await twoStores(t);
    let agent = agentRecord();
    let resource = resourceRecord();
    let key = keyRecord();
    await one.commit({
      changes: [
        { kind: 'insert', collection: 'agent', record: agent },
        { kind: 'insert', collection: 'resource', record: resource },
        { kind: 'insert', collection: 'signing-key', record: key },
      ],
      events: [event()],
      authority: { none: 'boot' },
    });
    for (let version = 2; version <= 12; version += 1) {
      await other.fresh();
      t.is((await other.findAgent(agent.id))?.version, version - 1);
      t.is((await other.findResourceByIdentifier(resource.identifier))?.version, version - 1);
      t.is((await other.listSigningKeys())[0]?.version, version - 1);
      // Reads that overlap the change must not leave the old state in memory.
      const overlapping = [other.findAgent(agent.id), other.findResource(resource.id)];
      const ifVersion = version - 1;
      agent = { ...agent, version };
      resource = { ...resource, version };
      key = { ...key, version };
      await one.commit({
        changes: [
          { kind: 'replace', collection: 'agent', record: agent, ifVersion },
          { kind: 'replace', collection: 'resource', record: resource, ifVersion },
          { kind: 'replace', collection: 'signing-key', record: key, ifVersion },
        ],
        events: [event()],
        authority: { none: 'boot' },
      });
      await Promise.all(overlapping);
    }
    for (const store of [one, other]) {
      await store.fresh();
      t.deepEqual(await store.findAgent(agent.id), agent);
      t.deepEqual(await store.findResource(resource.id), resource);
      t.deepEqual(await store.findSigningKey(key.id), key);
    }
  });

  serial('a sweep takes nothing that still counts', async t => {
    const store = await oneStore(t);
    const token = tokenRecord();
    await store.commit({
      changes: [insertToken(token), useOnce('still counts'), cutOff('agt_1')],
      events: [event()],
    });
    for (let n = 0; n < 3; n += 1) await store.sweep();
    t.deepEqual(await store.findToken(token.jti), token);
    t.false((await store.commit({ changes: [useOnce('still counts')], events: [] })).committed);
    t.is(store.epochs.raisedTo('agt_1'), 1);
  });

  serial('when an agent was last used is remembered', async t => {
    const database = await subject.newDatabase(t);
    const first = await openStore(t, database);
    first.noteUse('agt_1', 1_000);
    first.noteUse('agt_1', 2_000);
    t.is(await first.findLastUse('agt_1'), 2_000);
    t.is(await first.findLastUse('agt_2'), undefined);
    await first.close();
    t.is(await (await openStore(t, database)).findLastUse('agt_1'), 2_000);
  });

  serial('closing finishes the commits under way; later calls are refused', async t => {
    const database = await subject.newDatabase(t);
    const store = await openStore(t, database);
    const tokens = Array.from({ length: 300 }, () => tokenRecord());
    const commits = tokens.map(token => store.commit({ changes: [insertToken(token)], events: [event()] }));
    await store.close();
    t.true((await Promise.all(commits)).every(outcome => outcome.committed));
    await t.throwsAsync(store.commit({ changes: [], events: [event()] }), { instanceOf: StoreUnavailable });
    await t.throwsAsync(store.findToken(tokenRecord().jti), { instanceOf: StoreUnavailable });
    await t.throwsAsync(store.fresh(), { instanceOf: StoreUnavailable });
    const reopened = await openStore(t, database);
    for (const token of tokens.slice(-20)) t.deepEqual(await reopened.findToken(token.jti), token);
  });

  serial(
    'I10: what a killed process had been told is committed is there, audited, and still dead',
    async t => {
      const database = await subject.newDatabase(t);
      for (const acknowledgements of [40, 150]) {
        const lane = newId('lane', Date.now());
        const acknowledged = await writeUntilKilled(database.location, lane, acknowledgements);
        const store = await openStore(t, database);
        const audited = new Set(await verifiedLane(t, store, lane));
        for (const { kind, jti } of acknowledged) {
          const token = await store.findToken(jti as `tok_${string}`);
          if (kind === 'issued') {
            t.truthy(token, 'an acknowledged token is there');
            t.true(audited.has(jti), 'and its row');
          } else {
            t.true(store.epochs.raisedTo(jti) > 0, 'an acknowledged cutoff is in force');
          }
        }
        // The other way round: a row that speaks of a token, and a token, come together.
        for (const name of audited) {
          if (name.startsWith('tok_')) t.truthy(await store.findToken(name as `tok_${string}`));
        }
      }
    },
  );
}

interface Acknowledged {
  readonly kind: 'issued' | 'revoked';
  readonly jti: string;
}

/** Runs a process that writes as fast as it can, and kills it once it has been told so many times that its writes are durable. */
async function writeUntilKilled(location: string, lane: string, count: number): Promise<Acknowledged[]> {
  const program = new URL('./endless-writer.ts', import.meta.url).pathname;
  const writer = spawn(process.execPath, [program, location, lane], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(writer, 'exit');
  const acknowledged: Acknowledged[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    acknowledged.push(JSON.parse(line));
    if (acknowledged.length === count) writer.kill('SIGKILL');
  }
  await exited;
  if (acknowledged.length < count) throw new Error('the writing process ended by itself');
  return acknowledged;
}
