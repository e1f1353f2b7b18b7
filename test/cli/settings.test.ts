/** `init`, `config check`, `migrate`, and `--config` wherever settings are read. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'ava';
import { loadConfig } from '../../src/config/index.ts';
import { migrate } from '../../src/store/sqlite/migrations.ts';
import { makeFolder } from './run-cli.ts';

test('init writes a file for its owner alone, with which a server would start', async t => {
  const folder = await makeFolder(t);
  const made = await folder.cli(['init', '--issuer', 'https://as.example', '--trusted-proxies', '10.0.0.5']);
  t.is(made.code, 0, made.stderr);
  const file = join(folder.path, 'countersign.yaml');
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(loadConfig({ COUNTERSIGN_CONFIG_FILE: file }).issuer, 'https://as.example');
  const check = await folder.cliHere(['config', 'check', 'countersign.yaml', '-o', 'table']);
  t.is(check.code, 0, check.stderr);
  t.true(check.stdout.includes('https://as.example'));
});

test('init overwrites nothing, and leaves nothing behind where it fails', async t => {
  const folder = await makeFolder(t);
  writeFileSync(join(folder.path, 'countersign.yaml'), '# mine\n');
  t.is((await folder.cliHere(['init'])).code, 2);
  t.is(readFileSync(join(folder.path, 'countersign.yaml'), 'utf8'), '# mine\n');
  const wrong = await folder.cliHere([
    'init',
    '--checkpoints',
    '--issuer',
    'http://as.example',
    'other.yaml',
  ]);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /other\.yaml:\d+:\d+: issuer: /);
  t.false(existsSync(join(folder.path, 'other.yaml')));
  t.false(existsSync(join(folder.path, 'var/checkpoint-key.pem')));
});

test('init makes the keys that are needed, and takes no URI with a password as an argument', async t => {
  const folder = await makeFolder(t);
  const uri = 'mongodb://somebody:password@db.example/countersign?replicaSet=rs0';
  const typed = await folder.cliHere(['init', '--store', uri]);
  t.is(typed.code, 2);
  t.false(typed.stderr.includes('password@'));
  writeFileSync(join(folder.path, 'uri'), uri, { mode: 0o600 });
  const made = await folder.cliHere(['init', '--store-file', 'uri', '--checkpoints']);
  t.is(made.code, 0, made.stderr);
  for (const name of ['key-encryption-key', 'checkpoint-key.pem']) {
    t.is(statSync(join(folder.path, 'var', name)).mode & 0o777, 0o600);
  }
  const check = await folder.cliHere(['config', 'check', 'countersign.yaml']);
  t.deepEqual([check.code, check.json.store], [0, 'mongodb']);
  t.false(check.stdout.includes('password'));
});

test('config check tells everything that is wrong, and how the server would not start', async t => {
  const folder = await makeFolder(t);
  writeFileSync(join(folder.path, 'wrong.yaml'), 'prot: 1\nhost: "a b"\n');
  const check = await folder.cliHere(['config', 'check', 'wrong.yaml']);
  t.is(check.code, 2);
  t.is(check.json.permitted, false);
  t.is(check.json.problems.length, 2);
  const start = await folder.cli(['start', '--config', 'wrong.yaml']);
  t.is(start.code, 2);
  for (const problem of check.json.problems) t.true(start.stderr.includes(problem), start.stderr);
  const byEnvironment = await folder.cliHere(['config', 'check'], { env: { COUNTERSIGN_PORT: 'x' } });
  t.regex(byEnvironment.json.problems[0], /^COUNTERSIGN_PORT: /);
});

test('every verb that reads the settings takes --config', async t => {
  const folder = await makeFolder(t);
  writeFileSync(join(folder.path, 'here.yaml'), 'store: sqlite:elsewhere/there.sqlite\n');
  const migrated = await folder.cliHere(['migrate', '--config', 'here.yaml']);
  t.is(migrated.code, 0, migrated.stderr);
  t.true(existsSync(join(folder.path, 'elsewhere/there.sqlite')));
  for (const args of [
    ['audit', 'verify'],
    ['audit', 'tail'],
    ['quarantine', 'status'],
    ['backup', 'copy.sqlite'],
  ]) {
    const ran = await folder.cliHere([...args, '--config', 'here.yaml']);
    t.is(ran.code, 0, `${args.join(' ')}: ${ran.stderr}`);
  }
  t.false(existsSync(join(folder.path, 'var')));
  writeFileSync(join(folder.path, 'wrong.yaml'), 'prot: 1\n');
  for (const args of [['audit', 'verify'], ['backup', 'x'], ['migrate'], ['quarantine', 'list']]) {
    t.is((await folder.cliHere([...args, '--config', 'wrong.yaml'])).code, 2, args.join(' '));
  }
});

test('a verb that looks into the store makes none where there is none', async t => {
  const folder = await makeFolder(t);
  for (const args of [
    ['audit', 'verify'],
    ['audit', 'tail'],
    ['audit', 'export'],
    ['quarantine', 'status'],
    ['people', 'reset-factor', `usr_${'0'.repeat(32)}`],
    ['admin', 'recover'],
  ]) {
    const ran = await folder.cli(args);
    t.is(ran.code, 2, `${args.join(' ')}: ${ran.stdout}`);
    t.regex(ran.stderr, /no store/);
  }
  t.false(existsSync(join(folder.path, 'var/countersign.sqlite')));
});

test('migrate brings an older store up to date, and says from where to where', async t => {
  const folder = await makeFolder(t);
  const file = join(folder.path, 'old.sqlite');
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL');
  migrate(database, 3);
  database.close();
  const env = { COUNTERSIGN_STORE: `sqlite:${file}` };
  const first = await folder.cliHere(['migrate'], { env });
  t.is(first.code, 0, first.stderr);
  t.is(first.json.from, 3);
  t.true(first.json.to > 3);
  const again = await folder.cliHere(['migrate', '-o', 'table'], { env });
  t.regex(again.stdout, /has schema \d+, the newest/);
});
