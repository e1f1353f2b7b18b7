/** Whole fleets: what is exported is planned without a change, and a thousand agents take no more than a request each. */
import test from 'ava';
import fc from 'fast-check';
import { exportJWK, generateKeyPair } from 'jose';
import {
  applyPlan,
  exportDocuments,
  type Plan,
  planFleet,
  readDocuments,
  readFleet,
} from '../../src/as-code/index.ts';
import type { AdminClient } from '../../src/client/index.ts';
import { adminClient } from '../support/admin-client.ts';
import { startApp } from '../support/start-app.ts';
import { startAsCodeServer } from './as-code-server.ts';

async function planOf(api: AdminClient, text: string): Promise<Plan> {
  const plan = planFleet({
    read: readDocuments([{ file: 'fleet.yaml', text }]),
    fleet: await readFleet(api),
    prune: 'none',
    callerId: '',
    now: Date.now(),
  });
  if ('problems' in plan) throw new Error(JSON.stringify(plan.problems));
  return plan;
}

const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);
const options = { keepSecret: () => undefined, onProgress: () => undefined };

/** Words that YAML could take for something else, among others. */
const words = fc.oneof(
  fc.constantFrom(
    'yes',
    'null',
    '~',
    '1e3',
    '0x1f',
    '2026-01-01',
    '- a',
    'a: b',
    '#',
    "it's",
    '"',
    '{',
    '*a',
    '&a',
    '!t',
    '%',
    '@',
    '`',
    '|',
    '>',
    'ü 漢字',
  ),
  fc
    .string({ minLength: 1, maxLength: 30, unit: 'grapheme-ascii' })
    .filter(text => text === text.trim() && text !== ''),
);
const ttl = fc.integer({ min: 30, max: 3_600 });
const scopeNames = fc.uniqueArray(fc.stringMatching(/^[!#-[\]-~]{1,20}$/), { minLength: 1, maxLength: 4 });

const fleets = fc.record({
  people: fc.array(
    fc.record({
      name: words,
      roles: fc.subarray(['member', 'approver', 'operator', 'admin', 'auditor'] as const, { minLength: 1 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  resources: fc.array(
    fc.record({
      name: words,
      scopes: scopeNames,
      sentence: words,
      risk: fc.constantFrom('low', 'medium', 'high'),
      tokenFormat: fc.constantFrom(
        { kind: 'opaque' } as const,
        { kind: 'jwt', alg: 'ES256' } as const,
        { kind: 'jwt', alg: 'EdDSA' } as const,
      ),
      accessTokenTtlSeconds: ttl,
    }),
    { minLength: 1, maxLength: 3 },
  ),
  agents: fc.array(
    fc.record(
      {
        name: words,
        purpose: words,
        accessTokenTtlSeconds: ttl,
        dpop: fc.constant('required' as const),
        owner: fc.nat(),
        resource: fc.nat(),
        credential: fc.constantFrom('secret', 'keys', 'uri'),
        hasDefault: fc.boolean(),
        hasBaseline: fc.boolean(),
        isKilled: fc.boolean(),
        expires: fc.boolean(),
      },
      { requiredKeys: ['name', 'owner', 'resource', 'credential'] },
    ),
    { maxLength: 4 },
  ),
});

test('what is exported of any fleet is planned without a change, and made anew elsewhere is the same', async t => {
  const keys = await Promise.all(
    (['ES256', 'EdDSA'] as const).map(async alg => exportJWK((await generateKeyPair(alg)).publicKey)),
  );
  const here = await startApp(t);
  const there = await startApp(t);
  const api = adminClient(here);
  const elsewhere = adminClient(there);
  t.log(`seed ${SEED}`);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fleets, async ({ people, resources, agents }) => {
      run += 1;
      const owners: string[] = [];
      for (const [index, body] of people.entries())
        owners.push((await api.createPerson({ body: { ...body, email: `p${index}@run${run}.example` } })).id);
      const servers: { identifier: string; scopes: readonly string[] }[] = [];
      for (const [index, { scopes, sentence, risk, ...body }] of resources.entries()) {
        const identifier = `https://r${index}.run${run}.example/mcp`;
        await api.createResource({
          body: { ...body, identifier, scopes: scopes.map(name => ({ name, sentence, risk })) },
        });
        servers.push({ identifier, scopes });
      }
      for (const {
        owner,
        resource,
        credential,
        hasDefault,
        hasBaseline,
        isKilled,
        expires,
        ...body
      } of agents) {
        const { identifier, scopes } = servers[resource % servers.length] ?? { identifier: '', scopes: [] };
        const { id } = await api.createAgent({
          body: {
            ...body,
            ownerId: owners[owner % owners.length] ?? '',
            envelope: [{ resource: identifier, scopes }],
            ...(hasBaseline && { baseline: [{ resource: identifier, scopes: scopes.slice(0, 1) }] }),
            ...(hasDefault && { defaultResource: identifier }),
            ...(expires && { expiresAt: '2100-01-01T00:00:00+01:00' }),
            credential:
              credential === 'secret'
                ? { method: 'client_secret' }
                : credential === 'keys'
                  ? { method: 'private_key_jwt', keys: keys as never }
                  : { method: 'private_key_jwt', jwksUri: 'https://agent.example.com/jwks' },
          },
        });
        if (isKilled) await api.killAgent({ id });
      }
      const text = exportDocuments(await readFleet(api), [], 'schema.json');
      const plan = await planOf(api, text);
      t.deepEqual(plan.changes, [], text);
      t.is(
        exportDocuments(await readFleet(api), readDocuments([{ file: '', text }]).documents, 'schema.json'),
        text,
      );

      await applyPlan(elsewhere, await planOf(elsewhere, text), options);
      const copied = exportDocuments(await readFleet(elsewhere), [], 'schema.json');
      t.is(copied.replaceAll(/^# suspended\n\n?/gm, ''), text.replaceAll(/^# suspended\n\n?/gm, ''));
    }),
    { numRuns: 12, seed: SEED },
  );
});

test('a thousand agents are applied with one request each, and applied again without a change', async t => {
  const server = await startAsCodeServer(t);
  const documents = [
    'kind: Person\nkey: ada\nname: Ada\n',
    'kind: Resource\nkey: orders\nidentifier: https://orders.example/mcp\nname: Orders\nscopes: [{ name: read, sentence: See, risk: low }]\n',
  ];
  for (let index = 0; index < 1_000; index += 1) {
    documents.push(
      `kind: Agent\nkey: agent-${index}\nname: Agent ${index}\nowner: ada\nenvelope: [{ resource: orders, scopes: [read] }]\ncredential: { method: client_secret }\n`,
    );
  }
  const text = documents.join('---\n');
  const requests = new Map<string, number>();
  const counting: typeof fetch = (url, init) => {
    const name = `${init?.method ?? 'GET'} ${new URL(String(url)).pathname}`;
    requests.set(name, (requests.get(name) ?? 0) + 1);
    return fetch(url, init);
  };
  const secrets = new Set<string>();
  const applied = await applyPlan(server.clientWith(counting), await planOf(server.api, text), {
    ...options,
    keepSecret: ({ secret }) => secrets.add(secret),
  });
  t.deepEqual(applied.failed, []);
  t.is(applied.done.length, 1_002);
  t.is(secrets.size, 1_001);
  t.deepEqual(Object.fromEntries(requests), {
    // One for people, one for the rest.
    'POST /token': 2,
    'POST /api/v1/people': 1,
    'POST /api/v1/resources': 1,
    'POST /api/v1/agents': 1_000,
  });

  await server.write('fleet.yaml', text);
  const plan = await server.cliHere(['plan', '-f', 'fleet.yaml']);
  t.regex(plan.stdout, /^No changes: 1002/, plan.stderr);
  requests.clear();
  await readFleet(server.clientWith(counting));
  t.deepEqual(Object.fromEntries(requests), {
    'POST /token': 1,
    'GET /api/v1/people': 1,
    'GET /api/v1/resources': 1,
    'GET /api/v1/agents': 6,
  });
});
