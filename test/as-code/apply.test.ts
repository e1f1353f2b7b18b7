/** `countersign plan`, `apply` and `export`, as people run them, against a server. */
import { chmod, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { applyPlan, planFleet, readDocuments, readFleet } from '../../src/as-code/index.ts';
import { idFromKey } from '../../src/as-code/record-key.ts';
import { ADA, FLEET, HELPER, ORDERS, startAsCodeServer } from './as-code-server.ts';

const ADA_ID = idFromKey('Person', 'ada');
const ORDERS_ID = idFromKey('Resource', 'orders');
const HELPER_ID = idFromKey('Agent', 'order-helper');
const BY_HAND = {
  name: 'By hand',
  ownerId: ADA_ID,
  envelope: [],
  credential: { method: 'client_secret' },
} as const;

// One at a time: each starts many processes.
test.serial('files are planned, applied, and applied again without a change', async t => {
  const server = await startAsCodeServer(t);
  await server.write('fleet.yaml', FLEET);
  const plan = await server.cli(['plan', '-f', 'fleet.yaml', '--detailed-exitcode']);
  t.is(plan.code, 6, plan.stderr);
  t.regex(plan.stdout, /\+ Agent order-helper agt_f11e[0-9a-f]{28} "Order helper"/);
  t.regex(plan.stdout, /3 to create, 0 to change, 0 to stop/);
  t.regex(plan.stdout, /\+ owner: "ada"\n/, 'the owner by the key that the files give them');
  t.notRegex(plan.stdout, /\u001b/, 'no colour where there is no terminal');
  t.is((await server.api.listAgents()).items.length, 1, 'a plan changes nothing');

  const applied = await server.cli(['apply', '-f', 'fleet.yaml', '--yes', '--secrets-out', 'secrets.jsonl']);
  t.is(applied.code, 0, applied.stderr);
  t.regex(applied.stdout, /Done: 3 of 3/);
  const agent = await server.api.getAgent({ id: HELPER_ID });
  t.is(agent.ownerId, ADA_ID);
  t.deepEqual(agent.baseline, [{ resource: 'https://orders.example.com/mcp', scopes: ['orders:read'] }]);

  const again = await server.cli(['apply', '-f', 'fleet.yaml', '--yes']);
  t.is(again.code, 0, again.stderr);
  t.regex(again.stdout, /^No changes: 3 as the files say/);
  t.is((await server.api.getAgent({ id: HELPER_ID })).version, 1);
  t.is((await server.cli(['plan', '-f', 'fleet.yaml', '--detailed-exitcode'])).code, 0);
});

test.serial('secrets go to a file that only its owner can read, and are made nowhere else', async t => {
  const server = await startAsCodeServer(t);
  await server.write('fleet.yaml', FLEET);
  const refused = await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /shown once[\s\S]*Resource orders\n\s+Agent order-helper[\s\S]*--secrets-out/);
  t.is((await server.api.listPeople()).items.length, 1, 'nothing was changed');

  await server.write('open.jsonl', '');
  await chmod(join(server.path, 'open.jsonl'), 0o644);
  await symlink('elsewhere.jsonl', join(server.path, 'link.jsonl'));
  for (const file of ['open.jsonl', 'link.jsonl']) {
    const unfit = await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes', '--secrets-out', file]);
    t.is(unfit.code, 2, file);
    t.regex(unfit.stderr, /Nothing was changed/);
  }
  t.is((await server.api.listPeople()).items.length, 1, 'nothing was changed');

  const applied = await server.cliHere([
    'apply',
    '-f',
    'fleet.yaml',
    '--yes',
    '--secrets-out',
    'secrets.jsonl',
  ]);
  t.is(applied.code, 0, applied.stderr);
  const file = join(server.path, 'secrets.jsonl');
  t.is((await stat(file)).mode & 0o777, 0o600);
  const secrets = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  t.deepEqual(
    secrets.map(({ id }) => id),
    [ORDERS_ID, HELPER_ID],
  );
  for (const { secret } of secrets) t.false((applied.stdout + applied.stderr).includes(secret));
  const token = await fetch(`${server.issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${HELPER_ID}:${secrets[1].secret}`)}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      resource: 'https://orders.example.com/mcp',
    }),
  });
  t.is(token.status, 200, 'it is the secret of the agent');
});

test.serial('where nobody can be asked, nothing is applied without --yes', async t => {
  const server = await startAsCodeServer(t);
  await server.write('ada.yaml', ADA);
  const refused = await server.cliHere(['apply', '-f', 'ada.yaml']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /--yes/);
  t.is((await server.api.listPeople()).items.length, 1);
});

test.serial('what was changed by hand is told field by field, and set right', async t => {
  const server = await startAsCodeServer(t);
  await server.write('fleet.yaml', FLEET);
  await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes', '--secrets-out', 'secrets.jsonl']);
  await server.api.updateAgent({
    id: HELPER_ID,
    version: 1,
    body: {
      purpose: null,
      accessTokenTtlSeconds: 60,
      envelope: [{ resource: 'https://orders.example.com/mcp', scopes: ['orders:read'] }],
    },
  });
  await server.api.updatePerson({ id: ADA_ID, version: 1, body: { name: 'Someone else' } });
  const { stdout } = await server.cliHere(['plan', '-f', 'fleet.yaml']);
  t.regex(stdout, /~ Agent order-helper \S+ "Order helper" {2}version 2, changed \d{4}-/);
  t.true(stdout.includes('+ purpose: "Answers complaints"'), stdout);
  t.true(stdout.includes('- accessTokenTtlSeconds: 60'), stdout);
  t.true(stdout.includes('+ envelope: https://orders.example.com/mcp orders:refund'), stdout);
  t.true(stdout.includes('~ name: "Someone else" → "Ada Owner"'), stdout);
  t.false(stdout.includes('orders:read'), 'what is as it should be is not listed');

  const applied = await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes']);
  t.is(applied.code, 0, applied.stderr);
  const agent = await server.api.getAgent({ id: HELPER_ID });
  t.is(agent.purpose, 'Answers complaints');
  t.is(agent.accessTokenTtlSeconds, undefined);
  t.regex((await server.cliHere(['plan', '-f', 'fleet.yaml'])).stdout, /^No changes/);
});

test.serial('a change between plan and apply is left alone and told, and the rest is done', async t => {
  const server = await startAsCodeServer(t);
  const read = (text: string) => readDocuments([{ file: 'fleet.yaml', text }]);
  const plan = async (text: string, prune: 'none' | 'files') => {
    const made = planFleet({
      read: read(text),
      fleet: await readFleet(server.api),
      prune,
      callerId: server.adminId,
      now: Date.now(),
    });
    if ('problems' in made) throw new Error(JSON.stringify(made.problems));
    return made;
  };
  const options = { keepSecret: () => undefined, onProgress: () => undefined };
  await applyPlan(server.api, await plan(FLEET, 'none'), options);
  const second = HELPER.replace('order-helper', 'second').replace('Order helper', 'Second');
  await applyPlan(server.api, await plan(`${FLEET}---\n${second}`, 'none'), options);

  const renamed = `${FLEET.replace('Order helper', 'Renamed')}---\n${second.replace('Second', 'Renamed too')}`;
  const changing = await plan(renamed, 'none');
  t.is(changing.changes.length, 2);
  await server.api.updateAgent({ id: HELPER_ID, version: 1, body: { purpose: 'By hand' } });
  const report = await applyPlan(server.api, changing, options);
  t.deepEqual(
    report.failed.map(({ change }) => change.id),
    [HELPER_ID],
  );
  t.regex(String(report.failed[0]?.error), /changed since it was read/);
  t.is(report.done.length, 1);
  const agent = await server.api.getAgent({ id: HELPER_ID });
  t.deepEqual([agent.name, agent.purpose], ['Order helper', 'By hand']);

  const stopping = await plan([ADA, ORDERS].join('---\n'), 'files');
  t.is(stopping.changes.length, 2);
  await server.api.updateAgent({ id: HELPER_ID, version: 2, body: { purpose: 'By hand again' } });
  const stopped = await applyPlan(server.api, stopping, options);
  t.deepEqual(
    stopped.failed.map(({ change }) => change.id),
    [HELPER_ID],
  );
  t.is((await server.api.getAgent({ id: HELPER_ID })).status, 'active');
  t.is((await server.api.getAgent({ id: idFromKey('Agent', 'second') })).status, 'suspended');
});

test.serial(
  '--prune stops what files made and no file describes any more; nothing is stopped without it',
  async t => {
    const server = await startAsCodeServer(t);
    await server.write('fleet.yaml', FLEET);
    await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes', '--secrets-out', 'secrets.jsonl']);
    const byHand = await server.api.createAgent({ body: BY_HAND });

    await server.write('fleet.yaml', [ADA, ORDERS].join('---\n'));
    const without = await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes']);
    t.regex(without.stdout, /^No changes: 2 as the files say\. 2 on the server that no file describes/);
    t.is((await server.api.getAgent({ id: HELPER_ID })).status, 'active');

    const pruned = await server.cliHere(['apply', '-f', 'fleet.yaml', '--prune', '--yes']);
    t.regex(pruned.stdout, /- Agent agt_f11e\S+ "Order helper"/);
    t.is((await server.api.getAgent({ id: HELPER_ID })).status, 'suspended');
    t.is((await server.api.getAgent({ id: byHand.id })).status, 'active', 'it was made by hand');
    t.regex((await server.cliHere(['apply', '-f', 'fleet.yaml', '--prune', '--yes'])).stdout, /^No changes/);

    const all = await server.cliHere(['apply', '-f', 'fleet.yaml', '--prune', 'all', '--yes', '-o', 'json']);
    t.is(all.code, 0, all.stderr);
    t.deepEqual(
      all.json.changes.map(({ action, id }: { action: string; id: string }) => [action, id]),
      [['kill', byHand.id]],
    );
    t.is((await server.api.getAgent({ id: server.adminId })).status, 'active', 'nobody locks themselves out');
    t.is((await server.api.listPeople()).items.find(({ id }) => id.endsWith('0000'))?.status, 'active');
  },
);

test.serial('what would be stopped by --prune cannot be named by what stays', async t => {
  const server = await startAsCodeServer(t);
  await server.write('fleet.yaml', FLEET);
  await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes', '--secrets-out', 'secrets.jsonl']);
  await server.write('fleet.yaml', HELPER);
  const refused = await server.cliHere(['apply', '-f', 'fleet.yaml', '--prune', '--yes']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /^fleet.yaml:5:1: Agent order-helper owner: names usr_\S+ \("Ada Owner"\)/m);
  t.regex(refused.stderr, /^fleet.yaml:6:1: Agent order-helper envelope: names res_\S+ \("Orders"\)/m);
  t.is((await server.cliHere(['plan', '-f', 'fleet.yaml'])).code, 0, 'without it they are left alone');
});

test.serial('I6: files never restore what somebody has stopped, and do not fail over it', async t => {
  const server = await startAsCodeServer(t);
  await server.write('fleet.yaml', FLEET);
  await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes', '--secrets-out', 'secrets.jsonl']);
  await server.api.killAgent({ id: HELPER_ID });
  await server.write('fleet.yaml', FLEET.replace('Answers complaints', 'Answers all'));
  const applied = await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes']);
  t.is(applied.code, 0, applied.stderr);
  t.regex(
    applied.stdout,
    /! Agent order-helper \S+ "Order helper" is suspended, and files do not restore it/,
  );
  t.is((await server.api.getAgent({ id: HELPER_ID })).status, 'suspended');
  t.is((await server.api.getAgent({ id: HELPER_ID })).purpose, 'Answers all');

  await server.api.retireAgent({ id: HELPER_ID });
  await server.write('fleet.yaml', FLEET);
  const retired = await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes']);
  t.is(retired.code, 0, retired.stderr);
  t.regex(retired.stdout, /is retired for good, and is not changed/);
});

test.serial('files have no say over the bootstrap administrator and the admin API', async t => {
  const server = await startAsCodeServer(t);
  const { stdout } = await server.cliHere(['export']);
  t.false(stdout.includes(server.adminId));
  t.false(stdout.includes('0'.repeat(32)));
  const nothing = '0'.repeat(32);
  await server.write(
    'fleet.yaml',
    [
      `kind: Person\nid: usr_${nothing}\nname: Eve\n`,
      `${ORDERS.replace('key: orders', `id: res_${nothing}`)}`,
      `${HELPER.replace('key: order-helper', `id: ${server.adminId}`)}`,
      ADA,
      `kind: Resource\nkey: api\nidentifier: ${server.issuer}/api\nname: Api\nscopes: [{ name: a, sentence: A, risk: low }]\n`,
    ].join('---\n'),
  );
  const refused = await server.cliHere([
    'apply',
    '-f',
    'fleet.yaml',
    '--yes',
    '--secrets-out',
    'secrets.jsonl',
  ]);
  t.is(refused.code, 2);
  for (const what of ['the bootstrap operator', 'the admin API itself', 'the bootstrap administrator']) {
    t.true(refused.stderr.includes(`is ${what}, which files have no say over`), refused.stderr);
  }
  t.regex(refused.stderr, /Resource api identifier: "\S+\/api" is the identifier of Resource res_0{32}/);
  t.is((await server.api.listPeople()).items.length, 1);
});

test.serial('whoever gives away rights at the admin API holds them, in one token', async t => {
  const server = await startAsCodeServer(t);
  const agent = HELPER.replace('resource: orders', `resource: ${server.issuer}/api`)
    .replace('[orders:read, orders:refund]', '[read, kill]')
    .replace(/baseline:\n.*\n/, '');
  await server.write('fleet.yaml', [ADA, agent].join('---\n'));
  const applied = await server.cliHere([
    'apply',
    '-f',
    'fleet.yaml',
    '--yes',
    '--secrets-out',
    'secrets.jsonl',
  ]);
  t.is(applied.code, 0, applied.stderr);
  const [secret] = (await readFile(join(server.path, 'secrets.jsonl'), 'utf8')).trim().split('\n');
  const weak = {
    COUNTERSIGN_CLIENT_ID: HELPER_ID,
    COUNTERSIGN_CLIENT_SECRET: JSON.parse(secret ?? '').secret,
  };
  await server.write('more.yaml', [ADA, agent.replace('[read, kill]', '[read, kill, audit]')].join('---\n'));
  const refused = await server.cliHere(['apply', '-f', 'more.yaml', '--yes'], { env: weak });
  t.not(refused.code, 0);
  t.is((await server.api.getAgent({ id: HELPER_ID })).version, 1);

  // Whoever changes one that has rights there holds them too, also where the file takes them away; and people in the same breath.
  const narrowed = agent.replace('[read, kill]', '[read]');
  const grace = 'kind: Person\nkey: grace\nname: Grace\n';
  await server.write('less.yaml', [ADA, grace, narrowed].join('---\n'));
  const changed = await server.cliHere(['apply', '-f', 'less.yaml', '--yes']);
  t.is(changed.code, 0, changed.stderr);
  t.regex(changed.stdout, /Done: 2 of 2/);
  t.deepEqual((await server.api.getAgent({ id: HELPER_ID })).envelope, [
    { resource: `${server.issuer}/api`, scopes: ['read'] },
  ]);
});

test.serial('export keeps the keys that files have, and plan finds nothing to change in it', async t => {
  const server = await startAsCodeServer(t);
  await server.write('fleet.yaml', FLEET);
  await server.cliHere(['apply', '-f', 'fleet.yaml', '--yes', '--secrets-out', 'secrets.jsonl']);
  await server.api.createAgent({ body: BY_HAND });
  const exported = await server.cliHere(['export', '-f', 'fleet.yaml', '--out', 'fleet.yaml']);
  t.is(exported.code, 0, exported.stderr);
  const text = await readFile(join(server.path, 'fleet.yaml'), 'utf8');
  t.true(text.startsWith('# yaml-language-server: $schema='));
  for (const part of ['key: ada', 'key: orders', 'key: order-helper', 'owner: ada', 'name: By hand'])
    t.true(text.includes(part), part);
  t.notRegex(text, /secrets?:|digest/i);
  const plan = await server.cli(['plan', '-f', '-', '--detailed-exitcode'], { input: text });
  t.is(plan.code, 0, plan.stdout + plan.stderr);
  t.is((await server.cliHere(['export', '-f', 'fleet.yaml'])).stdout, text, 'twice the same');
});

test.serial('an apply that was cut off is told, and applied again it does the rest', async t => {
  const server = await startAsCodeServer(t);
  const agents = Array.from({ length: 60 }, (_, index) => HELPER.replace('order-helper', `agent-${index}`));
  const text = [ADA, ORDERS, ...agents].join('---\n');
  const planNow = async () => {
    const plan = planFleet({
      read: readDocuments([{ file: 'fleet.yaml', text }]),
      fleet: await readFleet(server.api),
      prune: 'none',
      callerId: server.adminId,
      now: Date.now(),
    });
    if ('problems' in plan) throw new Error(JSON.stringify(plan.problems));
    return plan;
  };
  const options = { keepSecret: () => undefined, onProgress: () => undefined };
  let creations = 0;
  const cutOff = server.clientWith(async (url, init) => {
    if (init?.method === 'POST' && String(url).endsWith('/agents')) creations += 1;
    if (creations > 20) throw new TypeError('fetch failed');
    return fetch(url, init);
  });
  const report = await applyPlan(cutOff, await planNow(), options);
  t.is(report.done.length, 22);
  t.is(report.done.length + report.failed.length + report.untried.length, 62);
  t.true(report.untried.length > 0, 'it does not go on without a server');
  const rest = await planNow();
  t.is(rest.changes.length, 40);
  t.is((await applyPlan(server.api, rest, options)).done.length, 40);
  t.is((await planNow()).changes.length, 0);
});
