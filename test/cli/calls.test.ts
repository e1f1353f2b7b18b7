/** How verbs take what is typed, show what is answered, and end. */

import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { columnsThatFit } from '../../src/cli/calls/show-answer.ts';
import { CHILD_ENV } from '../support/child-env.ts';
import { type App, addAgent, addPerson, addResource, startApp } from '../support/start-app.ts';
import { type Folder, makeFolder } from './run-cli.ts';

const NOBODY = `agt_${'b'.repeat(32)}`;

/** Somebody signed in to a server by environment. */
async function signedIn(t: ExecutionContext): Promise<{ readonly app: App; readonly folder: Folder }> {
  const app = await startApp(t);
  return { app, folder: await makeFolder(t, environmentOf(app)) };
}

function environmentOf({ issuer, admin }: App): Record<string, string> {
  return {
    COUNTERSIGN_URL: issuer,
    COUNTERSIGN_CLIENT_ID: admin.clientId,
    COUNTERSIGN_CLIENT_SECRET: admin.secret,
  };
}

test('G6, G7: a refusal says what was at fault, what was sent, what is permitted, and where to read on', async t => {
  const { app, folder } = await signedIn(t);
  const { code, stdout, stderr } = await folder.cliHere(['agents', 'get', NOBODY]);
  t.is(code, 4);
  t.is(stdout, '');
  t.regex(stderr, /^error: There is no such agent\.\n/);
  t.true(stderr.includes(`sent       ${NOBODY}`));
  t.regex(stderr, /\n {2}reference {2}err_[\w-]{66}\n/);
  t.true(stderr.includes(`see        ${app.issuer}/docs/errors#agent-unknown`));
  const [, reference = ''] = /countersign errors (err_\S+)/.exec(stderr) ?? [];
  const cause = await folder.cliHere(['errors', reference]);
  t.is(cause.code, 0, cause.stderr);
  t.is(cause.json.answer.reason, 'api/agent-unknown');
});

test('with -o json an error is JSON too, on standard error', async t => {
  const { folder } = await signedIn(t);
  const { code, stdout, stderr } = await folder.cliHere(['agents', 'get', NOBODY, '-o', 'json']);
  const { error } = JSON.parse(stderr);
  t.is(stdout, '');
  t.is(error.exitCode, code);
  t.is(error.problem, 'agent-unknown');
  t.is(error.sent, NOBODY);
});

test('exit codes: 1 refused, 2 typed wrongly, 3 not permitted, 4 not found, 5 not reached', async t => {
  const { app, folder } = await signedIn(t);
  const owner = await addPerson(app);
  const code = async (args: readonly string[], env = {}): Promise<number | null> =>
    (await folder.cliHere(args, { env })).code;
  t.is(await code(['people', 'create', '--id', owner.id, '--name', 'Again']), 1);
  t.is(await code(['people', 'create', '--name', ' ']), 2);
  t.is(await code(['people', 'create', '--nmae', 'Ada']), 2);
  t.is(await code(['people', 'nothing']), 2);
  t.is(await code(['people']), 2);
  t.is(await code(['agents', 'list'], { COUNTERSIGN_CLIENT_SECRET: 'wrong' }), 3);
  t.is(await code(['agents', 'list', '--profile', 'nobody']), 3);
  t.is(await code(['agents', 'get', NOBODY]), 4);
  t.is(await code(['agents', 'list'], { COUNTERSIGN_URL: 'http://localhost:2' }), 5);
  const agent = await addAgent(app, owner, await addResource(app));
  const asAgent = { COUNTERSIGN_CLIENT_ID: agent.id, COUNTERSIGN_CLIENT_SECRET: agent.basic[1] };
  t.is(await code(['agents', 'list'], asAgent), 3);
  t.is(await code(['--help']), 0);
  t.is(await code(['--version']), 0);
});

test('exit code 5 also where the server is there and cannot answer now', async t => {
  const server = createServer((_, response) => response.writeHead(503).end('{}')).listen(0);
  t.teardown(() => server.close());
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  const folder = await makeFolder(t, {
    COUNTERSIGN_URL: url,
    COUNTERSIGN_CLIENT_ID: NOBODY,
    COUNTERSIGN_CLIENT_SECRET: 'x',
  });
  t.is((await folder.cliHere(['agents', 'list'])).code, 5);
});

test('all that is typed wrongly is told at once, by the names of the flags, and nothing is sent', async t => {
  const { app, folder } = await signedIn(t);
  const before = (await app.trail()).length;
  const { code, stderr } = await folder.cliHere([
    'agents',
    'create',
    '--name',
    ' ',
    '--access-token-ttl-seconds',
    '5',
  ]);
  t.is(code, 2);
  for (const said of [
    '--name: " " is not permitted; permitted: one line of 1 to 100 characters',
    '--access-token-ttl-seconds: 5 is not permitted; permitted: a whole number of seconds from 30 to 3600',
    '--owner-id: missing; permitted: usr_ and 32 hexadecimal digits in lower case',
    '--envelope: missing',
    '--credential: missing',
  ])
    t.true(stderr.includes(said), stderr);
  t.is((await app.trail()).length, before);
});

test('a mistyped verb or flag is answered with the one that was meant', async t => {
  const folder = await makeFolder(t);
  t.true((await folder.cliHere(['agents', 'lst'])).stderr.includes('Did you mean list?'));
  t.true((await folder.cliHere(['agents', 'list', '--limt', '1'])).stderr.includes('Did you mean --limit?'));
});

test('JSON is what the API answers; YAML says the same; a table has a line a record', async t => {
  const { app, folder } = await signedIn(t);
  await addPerson(app, 'Grace');
  const json = await folder.cliHere(['people', 'list']);
  t.is(json.json.items.length, 2);
  t.deepEqual(parse((await folder.cliHere(['people', 'list', '-o', 'yaml'])).stdout), json.json);
  const table = await folder.cliHere(['people', 'list', '-o', 'table']);
  const [head = '', ...rows] = table.stdout.trimEnd().split('\n');
  t.regex(head, /^id +name +email|^id +name +status/);
  t.is(rows.length, 2);
  t.true(rows.some(row => /^usr_[0-9a-f]{32} +Grace +active /.test(row)));
  const { id } = json.json.items[1];
  const one = await folder.cliHere(['people', 'get', id, '-o', 'table']);
  t.regex(one.stdout, /^id +usr_\w+\nname +Grace\nroles +member\n/);
});

test('where a terminal has no room for all columns, what is looked for stays', t => {
  const agents = [['id'], ['name'], ['purpose'], ['ownerId'], ['status']];
  t.deepEqual([...columnsThatFit(agents, [38, 14, 60, 38, 11], 100)], [0, 1, 4]);
  t.deepEqual([...columnsThatFit(agents, [38, 14, 60, 38, 11], 101)], [0, 1, 4, 3]);
  t.deepEqual([...columnsThatFit(agents, [38, 14, 60, 38, 11], 161)], [0, 1, 4, 2, 3]);
  t.deepEqual([...columnsThatFit(agents, [38, 14, 60, 38, 11], 20)], [0]);
  const rows = [['lane'], ['seq'], ['type'], ['target'], ['at']];
  t.deepEqual([...columnsThatFit(rows, [40, 6, 20, 40, 26], 120)], [2, 3, 4, 1]);
});

test('what others wrote cannot move the cursor', async t => {
  const { folder } = await signedIn(t);
  const { stderr } = await folder.cli(['people', 'create', '--name', 'a\u001b[31mb']);
  t.false(stderr.includes('\u001b'));
});

test('NO_COLOR: nothing is coloured, and no colour goes where no terminal is', async t => {
  const { folder } = await signedIn(t);
  for (const env of [{ NO_COLOR: '1', FORCE_COLOR: '1' }, {}]) {
    const { stdout, stderr } = await folder.cli(['agents', 'list', '-o', 'table'], { env });
    const failed = await folder.cli(['agents', 'get', NOBODY], { env });
    t.notRegex(stdout + stderr + failed.stderr, /\u001b\[/);
  }
});

test('a page says how to go on; --all gives every page in the same form', async t => {
  const { app, folder } = await signedIn(t);
  for (let index = 0; index < 5; index += 1) await addPerson(app, `Person ${index}`);
  const page = await folder.cliHere(['people', 'list', '--limit', '2', '-o', 'table']);
  t.regex(page.stderr, /^There are more: --after usr_\w+, or --all\n$/);
  const all = await folder.cliHere(['people', 'list', '--limit', '2', '--all']);
  t.is(all.json.items.length, 6);
  t.deepEqual(Object.keys(all.json), ['items']);
  t.is(all.stderr, '');
  const table = await folder.cliHere(['people', 'list', '--all', '-o', 'table']);
  t.is(table.stdout.trimEnd().split('\n').length, 7);
});

test('a whole body comes from a file or standard input, as YAML or JSON, and flags win', async t => {
  const { folder } = await signedIn(t);
  writeFileSync(join(folder.path, 'ada.yaml'), 'name: Ada\nroles: [member, approver]\n');
  const made = await folder.cliHere(['people', 'create', '--file', 'ada.yaml', '--name', 'Ada L.']);
  t.is(made.json.name, 'Ada L.');
  t.deepEqual(made.json.roles, ['member', 'approver']);
  const piped = await folder.cli(['people', 'create', '-f', '-'], { input: '{"name": "Grace"}' });
  t.is(piped.json.name, 'Grace');
  const wrong = await folder.cli(['people', 'create', '-f', '-'], { input: 'nmae: Grace' });
  t.is(wrong.code, 2);
  t.true(wrong.stderr.includes('nmae'), wrong.stderr);
  t.is((await folder.cli(['people', 'create', '-f', '-'], { input: '- a list' })).code, 2);
  t.is((await folder.cliHere(['people', 'create', '-f', 'nowhere.yaml'])).code, 2);
});

test('structures are typed in short or as YAML, and come out as they went in', async t => {
  const { app, folder } = await signedIn(t);
  const owner = await addPerson(app);
  const resource = await folder.cliHere([
    ...['resources', 'create', '--identifier', 'https://files.example/mcp', '--name', 'Files'],
    ...['--scopes', '{name: files:read, sentence: See files, risk: low}'],
    ...['--scopes', '{"name": "files:write", "sentence": "Change files", "risk": "high"}'],
    ...['--token-format', '{kind: jwt, alg: ES256}'],
  ]);
  t.is(resource.code, 0, resource.stderr);
  t.deepEqual(
    resource.json.scopes.map(({ name }: { name: string }) => name),
    ['files:read', 'files:write'],
  );
  const agent = await folder.cliHere([
    ...['agents', 'create', '--name', 'Filer', '--owner-id', owner.id, '--credential', 'client_secret'],
    ...['--envelope', 'https://files.example/mcp files:read files:write'],
    ...['--baseline', '{resource: "https://files.example/mcp", scopes: [files:read]}'],
  ]);
  t.deepEqual(agent.json.envelope, [
    { resource: 'https://files.example/mcp', scopes: ['files:read', 'files:write'] },
  ]);
  t.deepEqual(agent.json.baseline, [{ resource: 'https://files.example/mcp', scopes: ['files:read'] }]);
});

test('a change is made to the record as it is, or refused where it has changed since the version named', async t => {
  const { app, folder } = await signedIn(t);
  const { id } = await addPerson(app);
  const update = (...args: string[]) => folder.cliHere(['people', 'update', id, ...args]);
  t.is((await update('--email', 'ada@example.com')).json.version, 2);
  t.is((await update('--name', 'Ada L.')).json.version, 3);
  const late = await update('--name', 'Lost', '--if-version', '2');
  t.is(late.code, 1);
  t.true(late.stderr.includes('version-changed'), late.stderr);
  t.is((await update('--name', 'Kept', '--if-version', '3')).json.version, 4);
  t.is((await update('--clear', 'email')).json.email, undefined);
  const nothing = await update();
  t.is(nothing.code, 2);
  t.true(nothing.stderr.includes('nothing is changed'), nothing.stderr);
});

test('changes of several people at the same time are all made', async t => {
  const { app, folder } = await signedIn(t);
  const { id } = await addPerson(app);
  const changes = [
    ['--name', 'Ada L.'],
    ['--email', 'ada@example.com'],
    ['--roles', 'auditor'],
  ];
  const ran = await Promise.all(changes.map(change => folder.cli(['people', 'update', id, ...change])));
  for (const each of ran) t.is(each.code, 0, each.stderr);
  const { name, email, roles } = (await folder.cli(['people', 'get', id])).json;
  t.deepEqual([name, email, roles], ['Ada L.', 'ada@example.com', ['auditor']]);
});

test('what kills or retires is not done without --yes where nobody can be asked', async t => {
  const { app, folder } = await signedIn(t);
  const { id } = await addPerson(app);
  const refused = await folder.cli(['people', 'kill', id], { input: 'y\n' });
  t.is(refused.code, 2);
  t.true(refused.stderr.includes('say --yes'), refused.stderr);
  t.is((await folder.cliHere(['people', 'get', id])).json.status, 'active');
  t.is((await folder.cliHere(['people', 'kill', id, '--yes'])).json.status, 'disabled');
});

test('a secret goes to a file that only its owner can read, and then is not shown', async t => {
  const { app, folder } = await signedIn(t);
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const file = join(folder.path, 'agent.secret');
  const made = await folder.cliHere(['agents', 'secrets', 'create', agent.id, '--secret-file', file]);
  t.is(made.code, 0, made.stderr);
  t.is(made.json.secret, undefined);
  t.is(statSync(file).mode & 0o777, 0o600);
  const secret = readFileSync(file, 'utf8').trim();
  const request = { grant_type: 'client_credentials', resource: resource.identifier };
  const token = await app.post('/token', request, { basic: [agent.id, secret] });
  t.is(token.status, 200);
  // A file that is there is not written over, and no secret is made that could not be kept.
  const again = await folder.cliHere(['agents', 'secrets', 'create', agent.id, '--secret-file', file]);
  t.is(again.code, 2);
  t.is(readFileSync(file, 'utf8').trim(), secret);
  t.is((await folder.cliHere(['agents', 'secrets', 'list', agent.id])).json.items.length, 2);
});

test('whoever gives rights away asks for a token that has them together', async t => {
  const { app, folder } = await signedIn(t);
  const owner = await addPerson(app);
  const create = (...more: string[]) =>
    folder.cliHere([
      ...['agents', 'create', '--name', 'Reader', '--owner-id', owner.id, '--credential', 'client_secret'],
      ...['--envelope', `${app.issuer}/api read`, ...more],
    ]);
  const refused = await create();
  t.true(refused.stderr.includes('admin-scope-not-held'), refused.stderr);
  t.is((await create('--scope', 'agents', 'read')).code, 0);
});

test('a reader that has read enough is no error', async t => {
  const { app, folder } = await signedIn(t);
  for (let index = 0; index < 3; index += 1) await addPerson(app);
  const program = join(import.meta.dirname, '../../bin/countersign.js');
  const piped = `"${process.execPath}" "${program}" people list --all -o table | head -c 1; echo "\${PIPESTATUS[0]}"`;
  const shell = spawn('bash', ['-c', piped], {
    env: { ...CHILD_ENV, HOME: folder.path, ...environmentOf(app) },
  });
  const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
  t.is(stdout, 'i0\n');
  t.is(stderr, '');
});
