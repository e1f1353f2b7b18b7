import test from 'ava';
import { generateKeyPair } from 'jose';
import {
  BOOKKEEPER_ID,
  demoWorld,
  LEDGER_ID,
  ORDERS_ID,
  REPORTER_ID,
  SHOPKEEPER_ID,
  seedDemoWorld,
} from '../../seed/demo-world.ts';
import { scopesAt } from '../../src/agents/index.ts';
import { startApp } from '../support/start-app.ts';

async function someWorld() {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  const shopkeeperKey = await crypto.subtle.exportKey('jwk', publicKey);
  return demoWorld({ ordersUrl: 'http://localhost:3000/mcp', shopkeeperKey });
}

test('seeding puts people, resource servers and agents in, and returns each secret once', async t => {
  const app = await startApp(t);
  const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
  const secrets = await seedDemoWorld(deps, await someWorld(), app.origin());
  t.deepEqual([...secrets.keys()].sort(), [BOOKKEEPER_ID, REPORTER_ID, LEDGER_ID, ORDERS_ID].sort());

  const answer = await app.post(
    '/token',
    { grant_type: 'client_credentials' },
    { basic: [REPORTER_ID, secrets.get(REPORTER_ID) ?? ''] },
  );
  t.is(answer.status, 200);
  t.is(answer.json.scope, 'orders:read');
});

test('seeding a second time changes nothing and records nothing, even with another key', async t => {
  const app = await startApp(t);
  const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
  await seedDemoWorld(deps, await someWorld(), app.origin());
  const before = await app.trail();
  const shopkeeper = await app.store.findAgent(SHOPKEEPER_ID);

  t.is((await seedDemoWorld(deps, await someWorld(), app.origin())).size, 0);
  t.deepEqual(await app.trail(), before);
  t.deepEqual(await app.store.findAgent(SHOPKEEPER_ID), shopkeeper);
});

test('every agent of the demo world may be approved for more than it gets without asking', async t => {
  const { agents } = await someWorld();
  for (const { name, envelope, baseline = [] } of agents) {
    const countOf = (list: typeof envelope) => list.reduce((sum, { scopes }) => sum + scopes.length, 0);
    t.true(countOf(envelope) > countOf(baseline), name);
    for (const { resource, scopes } of baseline) {
      t.true(
        scopes.every(scope => scopesAt(envelope, resource).includes(scope)),
        name,
      );
    }
  }
});
