/** Signing in: where credentials are kept, who may read them, and which of several is meant. */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type App, startApp } from '../support/start-app.ts';
import { type Folder, makeFolder } from './run-cli.ts';

const NOBODY = `agt_${'b'.repeat(32)}`;
const profilesOf = (folder: Folder): string => join(folder.path, '.config/countersign/profiles.json');

function writeCredentials(folder: Folder, { admin }: App): string {
  const file = join(folder.path, 'admin.json');
  writeFileSync(file, JSON.stringify({ client_id: admin.clientId, client_secret: admin.secret }));
  return file;
}

test('what was signed in with is tried, kept for its owner alone, and never shown', async t => {
  const app = await startApp(t);
  const folder = await makeFolder(t);
  const login = await folder.cli([
    'login',
    '--url',
    `${app.issuer}/`,
    '--credentials',
    writeCredentials(folder, app),
  ]);
  t.is(login.code, 0, login.stderr);
  t.deepEqual(login.json.scopes, ['read', 'agents', 'people', 'kill', 'keys', 'audit']);
  const file = profilesOf(folder);
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(statSync(join(file, '..')).mode & 0o777, 0o700);
  const whoami = await folder.cli(['whoami']);
  t.is(whoami.json.url, app.issuer);
  t.is(whoami.json.clientId, app.admin.clientId);
  const list = await folder.cli(['profiles', 'list']);
  t.deepEqual(list.json.items, [
    { name: 'default', url: app.issuer, clientId: app.admin.clientId, isCurrent: true },
  ]);
  const table = await folder.cli(['profiles', 'list', '-o', 'table']);
  const shown = [login, whoami, list, table].map(({ stdout, stderr }) => stdout + stderr).join('');
  t.false(shown.includes(app.admin.secret));
});

test('credentials that do not work are not kept', async t => {
  const app = await startApp(t);
  const folder = await makeFolder(t);
  const login = (...more: string[]) =>
    folder.cli(['login', '--url', app.issuer, ...more], { input: 'wrong\n' });
  const refused = await login('--client-id', app.admin.clientId, '--secret-file', '-');
  t.is(refused.code, 3);
  t.regex(refused.stderr, /countersign errors err_/);
  t.is((await login('--client-id', app.admin.clientId)).code, 2);
  t.is((await folder.cli(['login', '--url', app.issuer, '--credentials', '-'], { input: '{}' })).code, 2);
  const twice = `{"client_id":"${NOBODY}","client_id":"${app.admin.clientId}","client_secret":"${app.admin.secret}"}`;
  t.is((await folder.cli(['login', '--url', app.issuer, '--credentials', '-'], { input: twice })).code, 2);
  t.false(existsSync(profilesOf(folder)));
});

test('a server is signed in to by the name that it has, and a secret goes over TLS or stays on the machine', async t => {
  const app = await startApp(t, { env: { COUNTERSIGN_ISSUER: 'https://as.example' } });
  const folder = await makeFolder(t);
  const credentials = writeCredentials(folder, app);
  const wrong = await folder.cliHere(['login', '--url', app.base, '--credentials', credentials]);
  t.is(wrong.code, 1, wrong.stderr);
  const plain = await folder.cliHere(['login', '--url', 'http://as.example', '--credentials', credentials]);
  t.is(plain.code, 2);
  t.true(plain.stderr.includes('http:// on this machine only'), plain.stderr);
});

test('profiles that others can read or have written are refused', async t => {
  const app = await startApp(t);
  const folder = await makeFolder(t);
  await folder.cliHere(['login', '--url', app.issuer, '--credentials', writeCredentials(folder, app)]);
  const file = profilesOf(folder);
  for (const mode of [0o644, 0o660, 0o604, 0o620]) {
    chmodSync(file, mode);
    const { code, stderr } = await folder.cliHere(['agents', 'list']);
    t.is(code, 2, mode.toString(8));
    t.true(stderr.includes(`chmod 600 ${file}`), stderr);
  }
  chmodSync(file, 0o600);
  t.is((await folder.cliHere(['agents', 'list'])).code, 0);
  writeFileSync(file, '{"profiles": {"default": {"url": "x"}}}');
  t.is((await folder.cliHere(['agents', 'list'])).code, 2);
});

test('what is said more closely wins: --profile, the environment, its profile, the current profile', async t => {
  const app = await startApp(t);
  const folder = await makeFolder(t);
  const credentials = writeCredentials(folder, app);
  for (const name of ['one', 'two', 'three']) {
    const login = await folder.cliHere([
      'login',
      '-p',
      name,
      '--url',
      app.issuer,
      '--credentials',
      credentials,
    ]);
    t.is(login.code, 0, login.stderr);
  }
  const source = async (args: readonly string[], env = {}): Promise<string> =>
    (await folder.cliHere(['whoami', ...args], { env })).json.source;
  const env = {
    COUNTERSIGN_URL: app.issuer,
    COUNTERSIGN_CLIENT_ID: app.admin.clientId,
    COUNTERSIGN_CLIENT_SECRET: app.admin.secret,
    COUNTERSIGN_PROFILE: 'two',
  };
  t.regex(await source(['--profile', 'one'], env), /^profile one /);
  t.is(await source([], env), 'environment');
  t.regex(await source([], { COUNTERSIGN_PROFILE: 'two' }), /^profile two /);
  t.regex(await source([]), /^profile three /);
  t.is((await folder.cliHere(['profiles', 'use', 'one'])).code, 0);
  t.regex(await source([]), /^profile one /);
  t.is((await folder.cliHere(['logout', '--profile', 'two'])).code, 0);
  t.false(readFileSync(profilesOf(folder), 'utf8').includes('"two"'));
  t.is((await folder.cliHere(['logout'])).code, 0);
  const out = await folder.cliHere(['whoami']);
  t.is(out.code, 3);
  t.true(out.stderr.includes('countersign login'), out.stderr);
  t.is((await folder.cliHere(['logout'])).code, 4);
  t.is((await folder.cliHere(['profiles', 'use', '__proto__'])).code, 4);
});

test('half of an environment is an error, never another server', async t => {
  const app = await startApp(t);
  const folder = await makeFolder(t);
  await folder.cliHere(['login', '--url', app.issuer, '--credentials', writeCredentials(folder, app)]);
  const { code, stderr } = await folder.cliHere(['agents', 'list'], { env: { COUNTERSIGN_URL: app.issuer } });
  t.is(code, 3);
  t.true(stderr.includes('COUNTERSIGN_CLIENT_ID'), stderr);
  const both = { COUNTERSIGN_CLIENT_SECRET: 'x', COUNTERSIGN_CLIENT_SECRET_FILE: 'y' };
  const two = { COUNTERSIGN_URL: app.issuer, COUNTERSIGN_CLIENT_ID: NOBODY, ...both };
  t.is((await folder.cliHere(['agents', 'list'], { env: two })).code, 3);
});

test('a secret can be in a file', async t => {
  const app = await startApp(t);
  const folder = await makeFolder(t);
  writeFileSync(join(folder.path, 'secret'), `${app.admin.secret}\n`);
  const env = {
    COUNTERSIGN_URL: app.issuer,
    COUNTERSIGN_CLIENT_ID: app.admin.clientId,
    COUNTERSIGN_CLIENT_SECRET_FILE: 'secret',
  };
  t.is((await folder.cliHere(['agents', 'list'], { env })).code, 0);
});

test('no flag of any verb takes a secret', async t => {
  const { createProgram } = await import('../../src/cli/program.ts');
  const { commandsOf } = await import('../../src/cli/command-tree.ts');
  const flags = commandsOf(await createProgram()).flatMap(({ options }) =>
    options.map(option => option.flags),
  );
  const named = flags.filter(flag => /secret|password|token(?!-)/i.test(flag) && flag.includes('<'));
  // Of files, and of the choice between keeping a secret and making another.
  t.deepEqual(
    named.filter(flag => !/file|<choice>/.test(flag)),
    [],
  );
});

test('where a server was started, its bootstrap client is used, if only its owner can read it', async t => {
  const app = await startApp(t);
  const port = new URL(app.base).port;
  const folder = await makeFolder(t, { COUNTERSIGN_PORT: port });
  mkdirSync(join(folder.path, 'var'));
  const file = join(folder.path, 'var/bootstrap-client.json');
  const { clientId, secret } = app.admin;
  writeFileSync(file, JSON.stringify({ client_id: clientId, client_secret: secret }), { mode: 0o600 });
  const whoami = await folder.cliHere(['whoami']);
  t.is(whoami.code, 0, whoami.stderr);
  t.is(whoami.json.source, 'the bootstrap client in var/bootstrap-client.json');
  const login = await folder.cliHere(['login']);
  t.is(login.code, 0, login.stderr);
  await folder.cliHere(['logout']);
  chmodSync(file, 0o644);
  t.is((await folder.cliHere(['whoami'])).code, 3);
  chmodSync(file, 0o600);
  // Elsewhere it is nobody's business.
  t.is((await folder.cliHere(['whoami'], { env: { COUNTERSIGN_ISSUER: 'https://as.example' } })).code, 3);
});
