/** Everything that is wrong in files is told at once, at its line, with what is permitted. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { formatProblem, planFleet, readDocuments } from '../../src/as-code/index.ts';
import { idFromKey } from '../../src/as-code/record-key.ts';
import { ADA, FLEET, HELPER, ORDERS } from './as-code-server.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

interface Given {
  readonly people?: readonly object[];
  readonly resources?: readonly object[];
  readonly agents?: readonly object[];
}

/** What is said of a file, where the server has these records. */
function problemsOf(text: string, { people = [], resources = [], agents = [] }: Given = {}): string[] {
  const byId = (records: readonly object[]) =>
    new Map(
      records.map(record => {
        const whole = { name: 'A record', status: 'active', version: 1, updatedAt: '', id: '', ...record };
        return [whole.id, whole] as const;
      }),
    );
  const plan = planFleet({
    read: readDocuments([{ file: 'f.yaml', text }]),
    fleet: { Person: byId(people), Resource: byId(resources), Agent: byId(agents) },
    prune: 'none',
    callerId: '',
    now: NOW,
  });
  return 'problems' in plan ? plan.problems.map(formatProblem) : [];
}

const FIELDS =
  'kind, key, id, name, purpose, owner, expiresAt, envelope, baseline, defaultResource, accessTokenTtlSeconds, dpop, credential';

test('a file without a fault has no problem', t => {
  t.deepEqual(problemsOf(FLEET), []);
  t.deepEqual(problemsOf(`---\n# nothing\n---\n${FLEET}---\n`), [], 'empty documents are none');
});

test('each fault is told with its line and column, the value, what is permitted, and what was probably meant', t => {
  const faults: Readonly<Record<string, readonly [text: string, problem: string | RegExp]>> = {
    'a kind that is none': [
      'kind: Agnet\nkey: a\n',
      'f.yaml:1:1: kind: "Agnet" is no kind of record; did you mean Agent?; permitted: Person, Resource, Agent',
    ],
    'no kind': ['key: a\n', 'f.yaml:1:1: kind: is missing; permitted: Person, Resource, Agent'],
    'neither key nor id': [
      'kind: Person\nname: Ada\n',
      /^f\.yaml:1:1: Person key: is missing; permitted: a name of your choice/,
    ],
    'key and id': [`${ADA}id: usr_${'a'.repeat(32)}\n`, /^f\.yaml:5:1: Person ada id: stands beside a key/],
    'a key in another form': [
      ADA.replace('key: ada', 'key: Ada Owner'),
      /^f\.yaml:2:1: Person key: "Ada Owner" is not permitted; permitted: 1 to 63 small letters/,
    ],
    'an id of another kind': [
      ADA.replace('key: ada', `id: agt_${'a'.repeat(32)}`),
      /^f\.yaml:2:1: Person id: "agt_a{32}" is not permitted; permitted: usr_ and 32/,
    ],
    'a field that is none': [
      FLEET.replace('purpose:', 'purpos:'),
      `f.yaml:17:1: Agent order-helper purpos: is no such field; did you mean purpose?; permitted: ${FIELDS.split(', ').slice(0, 12).join(', ')}, and 2 more`,
    ],
    'a secret': [
      FLEET.replace('method: client_secret', 'method: client_secret, secret: hunter2'),
      /^f\.yaml:23:38: Agent order-helper credential\.secret: has no place here: secrets are never in files/,
    ],
    'a field that is missing': [
      FLEET.replace('owner: ada\n', ''),
      /^f\.yaml:14:1: Agent order-helper owner: is missing/,
    ],
    'a value that is not permitted': [
      FLEET.replace('risk: high', 'risk: hihg'),
      'f.yaml:12:55: Resource orders scopes[1].risk: "hihg" is not permitted; did you mean high?; permitted: low, medium, high',
    ],
    'an identifier in another spelling': [
      ORDERS.replace('https://orders', 'HTTPS://Orders'),
      /^f\.yaml:3:1: Resource orders identifier: "HTTPS:\S+" is not permitted; permitted: an absolute/,
    ],
    'an owner who is nobody': [
      FLEET.replace('owner: ada', 'owner: adda'),
      'f.yaml:18:1: Agent order-helper owner: "adda" is nobody, in these files or on the server; did you mean ada?; permitted: ada',
    ],
    'a resource server that is none': [
      FLEET.replace('resource: orders,', 'resource: oders,'),
      'f.yaml:20:7: Agent order-helper envelope[0].resource: "oders" is no resource server, in these files or on the server; did you mean orders?; permitted: orders',
    ],
    'a scope that is none': [
      FLEET.replace('[orders:read, orders:refund]', '[orders:read, orders:refnd]'),
      'f.yaml:20:47: Agent order-helper envelope[0].scopes[1]: "orders:refnd" is no scope of https://orders.example.com/mcp; did you mean orders:refund?; permitted: orders:read, orders:refund',
    ],
    'a baseline beyond the envelope': [
      FLEET.replace('[orders:read, orders:refund]', '[orders:refund]'),
      /^f\.yaml:22:\d+: Agent order-helper baseline\[0\]\.scopes\[0\]: "orders:read" is not in the envelope; permitted: orders:refund/,
    ],
    'a default beyond the envelope': [
      FLEET.replace(
        'envelope:\n  - { resource: orders, scopes: [orders:read, orders:refund] }\nbaseline:\n  - { resource: https://orders.example.com/mcp/, scopes: [orders:read] }',
        'envelope: []\ndefaultResource: orders',
      ),
      /^f\.yaml:20:1: Agent order-helper defaultResource: "orders" is not in the envelope/,
    ],
    'a resource server twice': [
      FLEET.replace(
        'baseline:',
        '  - { resource: https://orders.example.com/mcp, scopes: [orders:read] }\nbaseline:',
      ),
      /^f\.yaml:21:7: Agent order-helper envelope\[1\]\.resource: "\S+" stands here twice/,
    ],
    'an end that has passed': [
      `${FLEET}expiresAt: 2025-12-31T00:00:00Z\n`,
      /^f\.yaml:24:1: Agent order-helper expiresAt: "2025-12-31T00:00:00.000Z" has passed; permitted: later than 2026-01-01/,
    ],
    'a record twice': [`${ADA}---\n${ADA}`, 'f.yaml:7:1: Person ada: is described already, at f.yaml:1'],
    'an address of somebody else': [
      `${ADA}---\n${ADA.replace('key: ada', 'key: eve').replace('ada@', 'ADA@')}`,
      'f.yaml:9:1: Person eve email: "ADA@example.com" is the address of Person ada',
    ],
    'no object': ['- a\n- b\n', /^f\.yaml:1:1: a document describes one record/],
    'no YAML': ['kind: [Agent\n', /^f\.yaml:2:1: this is not YAML/],
    'a name twice in YAML': [`${ADA}name: Eve\n`, /^f\.yaml:5:1: this is not YAML: Map keys must be unique/],
    'an unknown tag': ['kind: !run Agent\nkey: a\n', /^f\.yaml:1:7: this is not YAML: Unresolved tag: !run/],
  };
  for (const [name, [text, expected]] of Object.entries(faults)) {
    const [problem = '', ...more] = problemsOf(text);
    if (typeof expected === 'string') t.is(problem, expected, name);
    else t.regex(problem, expected, name);
    t.deepEqual(more, [], name);
  }
});

test('all problems of all documents are told at once, in the order of their lines', t => {
  const text = [
    ADA.replace('email: ada@example.com', 'email: ada'),
    ORDERS.replace('risk: low', 'risk: no'),
    HELPER.replace('owner: ada', 'owner: eve').replace('key: order-helper', 'key: order-helper\ncolour: red'),
    'kind: Robot\n',
  ].join('---\n');
  t.deepEqual(
    problemsOf(text).map(problem => problem.slice(0, problem.indexOf(' '))),
    ['f.yaml:4:1:', 'f.yaml:11:48:', 'f.yaml:16:1:', 'f.yaml:19:1:', 'f.yaml:26:1:'],
  );
});

test('what cannot be changed is told with what to do instead', t => {
  const record = {
    id: idFromKey('Resource', 'orders'),
    identifier: 'https://old.example.com/mcp',
    scopes: [],
    credential: { method: 'private_key_jwt', jwksUri: 'https://orders.example.com/jwks' },
  };
  const problems = problemsOf(ORDERS, { resources: [record] });
  t.is(problems.length, 2);
  t.regex(
    problems.join('\n'),
    /orders identifier: is another one on the server, and cannot be changed; give the record another key/,
  );
  t.regex(problems.join('\n'), /orders credential: is another one on the server/);
});

test('a record that was made by hand is taken into files by its id', t => {
  const id = `res_${'c'.repeat(32)}`;
  const byHand = { id, identifier: 'https://orders.example.com/mcp/', scopes: [] };
  const [problem = ''] = problemsOf(ORDERS, { resources: [byHand] });
  t.regex(
    problem,
    new RegExp(`is the identifier of ${id} \\("A record"\\); to take it into files, write id: ${id}`),
  );
});

test('what may be a secret is not repeated', t => {
  const secret = 'Abcdefghijklmnopqrstuvwxyz0123456789-ABCDEFG';
  const [problem = ''] = problemsOf(FLEET.replace('owner: ada', `owner: ${secret}`));
  t.true(problem.includes('[withheld]') || !problem.includes(secret), problem);
  t.false(problem.includes(secret));
  const [credential = ''] = problemsOf(FLEET.replace('method: client_secret', `method: ${secret}`));
  t.false(credential.includes(secret));
});

test('a few lines of aliases do not become gigabytes', t => {
  const lines = ['kind: Person', 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 10; level += 1)
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
  t.regex(problemsOf(`${lines.join('\n')}\n`).join('\n'), /^f\.yaml:1:1: .*alias/i);
});

test('the client that applies does not stop itself by --prune', t => {
  const [deployer, other] = [idFromKey('Agent', 'deployer'), idFromKey('Agent', 'other')];
  const agents = [deployer, other].map(id => ({
    id,
    name: 'An agent',
    status: 'active',
    version: 1,
    updatedAt: '',
  }));
  const plan = planFleet({
    read: readDocuments([{ file: 'f.yaml', text: ADA }]),
    fleet: { Person: new Map(), Resource: new Map(), Agent: new Map(agents.map(agent => [agent.id, agent])) },
    prune: 'files',
    callerId: deployer,
    now: NOW,
  });
  t.deepEqual('changes' in plan && plan.changes.map(({ action, id }) => [action, id]), [
    ['create', idFromKey('Person', 'ada')],
    ['kill', other],
  ]);
});

test('an editor that has the schema says of every field what it means', async t => {
  const schema = JSON.parse(await readFile('docs/as-code.schema.json', 'utf8'));
  const kinds: readonly { then: { properties: Record<string, { description?: string }> } }[] = schema.allOf;
  const named = kinds.flatMap(({ then }) => Object.entries(then.properties));
  t.true(named.length > 15);
  for (const [field, { description }] of named) t.regex(description ?? '', /^[A-Z].*\.$/, field);
});
