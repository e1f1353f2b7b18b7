/** What a server says that does not start: one sentence, of where, what, and what to do. And what it makes of the files that it finds. */
import { randomBytes } from 'node:crypto';
import fs, {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { cannotUseFile } from '../../src/cannot-use.ts';
import { ConfigError, loadConfig } from '../../src/config/index.ts';
import { closePrivateFiles } from '../../src/first-start/index.ts';
import { nameOnce } from '../../src/name-once.ts';
import { readableLine } from '../../src/observability/readable-line.ts';
import { cannotListen, SERVER_NAMES } from '../../src/process/cannot-start.ts';
import { startServer } from '../../src/process/start.ts';
import { cannotUseStore } from '../../src/store/cannot-use-store.ts';
import { pretendMongo } from '../support/pretended-mongo.ts';

async function makeDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-start-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** What a start says that is refused: more than a stack trace, in a line of its own. */
async function refusal(
  t: ExecutionContext,
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const settings = {
    COUNTERSIGN_PORT: '0',
    COUNTERSIGN_STORE: `sqlite:${join(directory, 'store.sqlite')}`,
    COUNTERSIGN_DATA_DIR: directory,
    ...env,
  };
  const start = () => startServer(loadConfig(settings), { log: pino({ level: 'silent' }) });
  const error = await t.throwsAsync(start, { name: 'CannotUse' });
  const { message = '' } = error ?? {};
  t.regex(message, /^[^\n]+: [^\n]+; [^\n]+$/);
  return message;
}

test('a port that is taken is named, with the setting that it comes from', async t => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.teardown(() => void taken.close());
  await new Promise(resolve => taken.once('listening', resolve));
  const port = String((taken.address() as { readonly port: number }).port);
  const directory = await makeDirectory(t);
  t.is(
    await refusal(t, directory, { COUNTERSIGN_PORT: port }),
    `127.0.0.1:${port} (COUNTERSIGN_PORT): another program listens there; end it, or choose another port`,
  );
  t.regex(
    await refusal(t, directory, { COUNTERSIGN_METRICS_PORT: port }),
    new RegExp(`^127\\.0\\.0\\.1:${port} \\(COUNTERSIGN_METRICS_PORT\\): another program listens there; `),
  );
  // An address for documentation (RFC 5737): no machine has it.
  t.is(
    await refusal(t, directory, { COUNTERSIGN_HOST: '203.0.113.9' }),
    '203.0.113.9:0 (COUNTERSIGN_HOST): this machine has no such address; choose one that it has, or 0.0.0.0 for all',
  );
});

test('a store that is a directory, no database, or below a file is named', async t => {
  const directory = await makeDirectory(t);
  const [folder, text, newer] = ['folder', 'text', 'newer'].map(name => join(directory, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(folder);
  writeFileSync(text, randomBytes(20_000));
  t.regex(
    await refusal(t, directory, { COUNTERSIGN_STORE: `sqlite:${folder}` }),
    new RegExp(`^${folder}: it is a directory, and a file is needed; `),
  );
  t.regex(
    await refusal(t, directory, { COUNTERSIGN_STORE: `sqlite:${text}` }),
    new RegExp(`^${text} \\(COUNTERSIGN_STORE\\): it is no SQLite database; name another file, `),
  );
  t.regex(
    await refusal(t, directory, { COUNTERSIGN_STORE: `sqlite:${text}/store.sqlite` }),
    new RegExp(`^${text}: it is a file, and a directory is needed; `),
  );
  t.regex(
    await refusal(t, directory, { COUNTERSIGN_DATA_DIR: text }),
    new RegExp(`^${text}: it is a file, and a directory is needed; `),
  );
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(newer);
  database.exec('PRAGMA user_version = 9999');
  database.close();
  t.regex(
    await refusal(t, directory, { COUNTERSIGN_STORE: `sqlite:${newer}` }),
    /^The store \(COUNTERSIGN_STORE\): the database has schema version 9999, .*; run a newer version of Countersign$/,
  );
});

test('what the system refuses is told with what to do: permissions, a full disk, a port of root’s', t => {
  // Root may do all of it, so these are the errors as the system makes them.
  const ofSystem = (code: string, more: object) => Object.assign(new Error(code), { code, ...more });
  const file = (code: string) =>
    cannotUseFile(ofSystem(code, { syscall: 'open', path: '/srv/x' }))?.message ?? '';
  t.regex(file('EACCES'), /^\/srv\/x: the user that runs this \(\d+\) may not use it; give it to that user/);
  t.regex(file('ENOSPC'), /^\/srv\/x: there is no room left on its disk; make room$/);
  t.regex(file('EROFS'), /^\/srv\/x: it is on a file system that cannot be written to; /);
  t.regex(file('EXYZ'), /^\/srv\/x: it cannot be used \(EXYZ at open\); /);
  t.is(cannotUseFile(new Error('a fault of ours')), undefined);
  const listening = (code: string, host: string) =>
    (cannotListen(ofSystem(code, {}), { host, port: 443 }, SERVER_NAMES) as Error).message;
  t.regex(
    listening('EACCES', '::'),
    /^\[::\]:443 \(COUNTERSIGN_PORT\): the user that runs this may not listen there; /,
  );
  t.regex(
    listening('ENOTFOUND', 'a.invalid'),
    /^a\.invalid:443 \(COUNTERSIGN_HOST\): the host name has no address; /,
  );
  const location = { kind: 'sqlite', path: '/srv/store' } as const;
  const sqlite = (errcode: number) =>
    (cannotUseStore(ofSystem('ERR_SQLITE_ERROR', { errcode }), location) as Error).message;
  t.regex(sqlite(14), /^\/srv\/store \(COUNTERSIGN_STORE\): it cannot be opened; /);
  // With an extended code: SQLITE_READONLY_DIRECTORY, SQLITE_IOERR_FSYNC.
  t.regex(sqlite(1544), /: it cannot be written to; /);
  t.regex(sqlite(1034), /: its disk has failed to read or write it; /);
  t.regex(sqlite(11), /: it is damaged; /);
});

test('a MongoDB that refuses, is of another replica set, a standalone, or does not know the password is named without it', async t => {
  const directory = await makeDirectory(t);
  const [standalone, other, strict] = await Promise.all([
    pretendMongo(t, {}),
    pretendMongo(t, { setName: 'theirs' }),
    pretendMongo(t, {
      setName: 'ours',
      answer: { ok: 0, code: 18, codeName: 'AuthenticationFailed', errmsg: 'Authentication failed.' },
    }),
  ]);
  const at = async (address: string, more = '', user = '') => {
    const message = await refusal(t, directory, {
      COUNTERSIGN_STORE: `mongodb://${user}${address}/countersign${more}`,
      COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    });
    t.notRegex(message, /hunter|keeper/);
    const where = `MongoDB at ${address}/countersign (COUNTERSIGN_STORE): `;
    t.true(message.startsWith(where), message);
    return message.slice(where.length);
  };
  const user = 'keeper:hunter%40two@';
  // The driver looks for a server for five seconds, so all of these at once.
  const [refused, alone, foreign, notKnown, noOption] = await Promise.all([
    at('127.0.0.1:1', '', user),
    at(`127.0.0.1:${standalone}`),
    at(`127.0.0.1:${other}`, '?replicaSet=ours'),
    at(`127.0.0.1:${strict}`, '?replicaSet=ours', user),
    at('127.0.0.1:1', '?replcaSet=ours', user),
  ]);
  t.regex(refused, /^it cannot be reached \(127\.0\.0\.1:1: nothing listens there\); see that it runs/);
  t.regex(alone, /^it is a standalone, .*; make it a replica set/);
  t.regex(foreign, /^nothing that answers there is a member of the replica set ours; name the set/);
  t.regex(notKnown, /^it does not accept the user name and password; see to them/);
  t.regex(
    noOption,
    /^the connection string is not one that the driver takes \(option replcaset is not supported\); /,
  );
});

/** A server on the files of a directory, with what it has logged. */
async function startOn(
  directory: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ stop(): Promise<void>; port: number; logs: readonly string[] }> {
  const logs: string[] = [];
  const config = loadConfig({
    COUNTERSIGN_PORT: '0',
    COUNTERSIGN_STORE: `sqlite:${join(directory, 'store.sqlite')}`,
    COUNTERSIGN_DATA_DIR: directory,
    ...env,
  });
  const { stop, port } = await startServer(config, {
    log: pino({}, { write: line => void logs.push(line) }),
  });
  return { stop, port, logs };
}

const refusedFiles = async (t: ExecutionContext, directory: string): Promise<readonly string[]> =>
  (await t.throwsAsync(startOn(directory), { instanceOf: ConfigError }))?.problems ?? [];

test('files of the first start that others can read are closed to them, and that is told; what others can write is not read', async t => {
  const directory = await makeDirectory(t);
  const files = [
    'key-encryption-key',
    'bootstrap-client.json',
    'first-administrator-link',
    'store.sqlite',
  ].map(name => join(directory, name));
  await (await startOn(directory)).stop();
  for (const file of files) chmodSync(file, 0o644);
  const again = await startOn(directory);
  await again.stop();
  t.deepEqual(
    files.map(file => statSync(file).mode & 0o777),
    files.map(() => 0o600),
  );
  const told = again.logs.map(line => JSON.parse(line)).filter(({ msg }) => /^others could read/.test(msg));
  t.deepEqual(
    told.map(({ level, file, mode }) => [level, file, mode]).sort(),
    files.map(file => [40, file, '0644']).sort(),
  );

  for (const file of files) {
    chmodSync(file, 0o620);
    const [problem = '', ...more] = await refusedFiles(t, directory);
    t.true(problem.startsWith(`${file}: others can write it (mode 0620)`), problem);
    t.deepEqual(more, []);
    t.is(statSync(file).mode & 0o777, 0o620, 'whoever looks into it sees it as it was');
    chmodSync(file, 0o600);
  }
  await (await startOn(directory)).stop();
});

test('a file of the first start that belongs to another user is not read', async t => {
  const directory = await makeDirectory(t);
  const file = join(directory, 'bootstrap-client.json');
  writeFileSync(file, '{}', { mode: 0o600 });
  const own = process.getuid?.() ?? 0;
  // Only root can give a file away; everybody else plays the other user.
  if (own === 0) chownSync(file, 65_534, 65_534);
  const error = t.throws(
    () => closePrivateFiles([file], pino({ level: 'silent' }), own === 0 ? 0 : own + 1),
    {
      instanceOf: ConfigError,
    },
  );
  t.regex(error?.problems[0] ?? '', /bootstrap-client\.json: it belongs to another user \(/);
});

test('the file of the bootstrap client is held to the rules of its settings', async t => {
  const directory = await makeDirectory(t);
  const file = join(directory, 'bootstrap-client.json');
  const id = `agt_${'0123456789abcdef'.repeat(2)}`;
  const secret = randomBytes(32).toString('base64url');
  const refused: readonly (readonly [content: string, problem: RegExp])[] = [
    ['garbage', /: it is no JSON object with each member once; /],
    [`{"client_id":"${id}","client_secret":"${secret}"`, /: it is no JSON object with each member once; /],
    ['[]', /: it is no JSON object with each member once; /],
    [JSON.stringify({ client_id: id }), /: its client_secret is not permitted; permitted: 43 to 256 random/],
    [
      JSON.stringify({ client_id: 'agt_x', client_secret: secret }),
      /: its client_id is not permitted; permitted: agt_ /,
    ],
    [JSON.stringify({ client_id: id, client_secret: 'short' }), /: its client_secret is not permitted; /],
    [
      JSON.stringify({ client_id: id, client_secret: 'a'.repeat(43) }),
      /: its client_secret is not permitted \(.+\); /,
    ],
    [
      JSON.stringify({ client_id: id, client_secret: `${secret} ` }),
      /: its client_secret is not permitted; /,
    ],
  ];
  for (const [content, expected] of refused) {
    writeFileSync(file, content, { mode: 0o600 });
    const problems = await refusedFiles(t, directory);
    t.is(problems.length, 1, content);
    t.true(problems[0]?.startsWith(file), problems[0]);
    t.regex(problems[0] ?? '', expected);
    t.false(problems[0]?.includes(secret) || problems[0]?.includes('garbage'));
  }
  writeFileSync(file, JSON.stringify({ client_id: id, client_secret: secret }), { mode: 0o600 });
  await (await startOn(directory)).stop();
});

test('the log names the files of a first start by absolute paths, and keep-alive lasts as long as its setting says', async t => {
  const directory = await makeDirectory(t);
  const server = await startOn(directory, {
    COUNTERSIGN_DATA_DIR: relative('.', directory),
    COUNTERSIGN_KEEP_ALIVE_SECONDS: '7',
  });
  const answer = await fetch(`http://localhost:${server.port}/livez`);
  await server.stop();
  t.is(answer.headers.get('keep-alive'), 'timeout=7');
  const facts = server.logs.map(line => JSON.parse(line));
  t.is(facts.find(({ credentials }) => credentials)?.credentials, join(directory, 'bootstrap-client.json'));
  t.is(facts.find(({ link }) => link)?.link, join(directory, 'first-administrator-link'));
});

test('on a terminal a line of the log can be read, and nothing in it moves the cursor', t => {
  const time = Date.UTC(2026, 10, 30, 19, 8, 12);
  const line = (more: object): string =>
    readableLine(JSON.stringify({ level: 30, time, pid: 1, hostname: 'h', ...more }));
  t.is(
    line({ issuer: 'http://localhost:4444', port: 4444, version: '0.1.0', msg: 'ready' }),
    '19:08:12 info  ready  issuer=http://localhost:4444  port=4444  version=0.1.0\n',
  );
  t.is(line({ level: 40, why: 'two words', msg: 'x' }), '19:08:12 warn  x  why="two words"\n');
  t.is(
    line({ level: 50, err: { type: 'Error', message: 'no', stack: 'Error: no\n    at f' }, msg: 'failed' }),
    '19:08:12 error failed\n    Error: no\n        at f\n',
  );
  t.notRegex(
    line({ msg: 'a\u001b[2Jb\nc', fact: '\u001b]0;x\u0007', at: { deep: '\u009b' } }).trimEnd(),
    /\p{Cc}/u,
  );
});

test('where hard links fail a first start makes its files all the same, and overwrites nothing', async t => {
  const { linkSync } = fs;
  const refuse = (code: string) => (): never => {
    throw Object.assign(new Error(code), { code });
  };
  // For whoever starts beside this test the same holds.
  t.teardown(() => {
    fs.linkSync = linkSync;
    syncBuiltinESMExports();
  });
  const directory = await makeDirectory(t);
  const path = (name: string): string => join(directory, name);
  const contents = (): readonly string[] =>
    ['key-encryption-key', 'bootstrap-client.json'].map(name => readFileSync(path(name), 'utf8'));
  fs.linkSync = refuse('EPERM');
  syncBuiltinESMExports();
  await (await startOn(directory)).stop();
  const made = contents();
  await (await startOn(directory)).stop();
  t.deepEqual(contents(), made);
  t.deepEqual(
    readdirSync(directory).filter(name => /naming|-[0-9a-f]{12}$/.test(name)),
    [],
  );
  for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS', 'EXDEV']) {
    fs.linkSync = refuse(code);
    syncBuiltinESMExports();
    writeFileSync(path('draft'), 'second');
    t.throws(() => nameOnce(path('draft'), path('key-encryption-key')), { code: 'EEXIST' });
    nameOnce(path('draft'), path(code));
    t.is(readFileSync(path(code), 'utf8'), 'second');
    t.false(existsSync(path('draft')));
  }
  t.deepEqual(contents(), made);
  // Another process is at it: nothing is made beside it.
  mkdirSync(path('other.naming'));
  writeFileSync(path('draft'), 'third');
  t.throws(() => nameOnce(path('draft'), path('other')), { name: 'CannotUse', message: /start again; / });
  t.false(existsSync(path('other')));
  fs.linkSync = refuse('EIO');
  syncBuiltinESMExports();
  t.throws(() => nameOnce(path('draft'), path('broken')), { code: 'EIO' });
});
