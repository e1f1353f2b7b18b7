/** The trail leaves the store by HTTP and by the command line, whole or in part, and an export goes on where it ended. */
import { spawn } from 'node:child_process';
import { createPublicKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, copyFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { type AuditRow, fileTrail, verifyCheckpoints, verifyTrail } from '../../src/audit/index.ts';
import type { AdminClient } from '../../src/client/index.ts';
import { makeFolder } from '../cli/run-cli.ts';
import { CHECKPOINT_KEY } from '../config/environments.ts';
import { adminClient } from '../support/admin-client.ts';
import { CHILD_ENV } from '../support/child-env.ts';
import { startApp } from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';
import { NOW, replaceRows, someEvent, writeRealTrail } from './real-trail.ts';

const PROGRAM = resolve(import.meta.dirname, '../../bin/countersign.js');

/** Exports as a program would that knows only the API. */
async function exportByHttp(api: AdminClient, limit: number): Promise<readonly AuditRow[]> {
  const rows: AuditRow[] = [];
  for (const { lane } of (await api.listAuditLanes()).items) {
    let after: string | undefined;
    do {
      const part = await api.exportAuditRows({ lane, limit: String(limit), ...(after && { after }) });
      rows.push(...part.items);
      after = part.next?.toString();
    } while (after !== undefined);
  }
  return rows;
}

async function writeLines(t: ExecutionContext, rows: readonly AuditRow[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-export-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'trail.jsonl');
  await writeFile(file, rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

onEachStore(
  'R135: what the admin API exports, page by page, verifies offline with the public key alone',
  async (t, store) => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-export-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const checkpoints = join(directory, 'checkpoints.jws');
    const app = await startApp(t, {
      env: {
        ...store,
        COUNTERSIGN_AUDIT_CHECKPOINT_FILE: checkpoints,
        COUNTERSIGN_AUDIT_CHECKPOINT_KEY: CHECKPOINT_KEY,
      },
    });
    const api = adminClient(app);
    for (let index = 0; index < 7; index += 1) {
      await app.store.commit({ changes: [], events: [someEvent(index)] });
    }
    // Another one may be signed at any time, of rows that were not there when they were exported.
    const { isIntact, heads } = await verifyCheckpoints(checkpoints, createPublicKey(CHECKPOINT_KEY));
    t.true(isIntact);
    const rows = await exportByHttp(api, 3);
    t.true(rows.length > 7);
    const file = await writeLines(t, rows);
    t.true((await verifyTrail(fileTrail(file), heads)).isIntact);
    await writeLines(t, rows.toSpliced(2, 1)).then(async cut =>
      t.false((await verifyTrail(fileTrail(cut), heads)).isIntact),
    );

    const lane = rows[0]?.lane ?? '';
    const since = new Date(NOW + 2).toISOString();
    const until = new Date(NOW + 5).toISOString();
    const part = await api.exportAuditRows({ lane, since, until, limit: '200' });
    t.deepEqual(
      part.items.map(({ body }) => JSON.parse(body).event.at),
      [NOW + 2, NOW + 3, NOW + 4],
    );
    t.deepEqual((await api.exportAuditRows({ lane: `lane_${'0'.repeat(32)}` })).items, []);
    await t.throwsAsync(adminClient(app, ['read', 'agents', 'kill', 'keys']).exportAuditRows({ lane }), {
      message: /scope|permitted|audit/i,
    });
  },
);

test('R135: an export goes on where it ended, also after it was interrupted in a line, and verifies as a whole', async t => {
  const { store, file } = await writeRealTrail(t);
  const folder = await makeFolder(t);
  const env = {
    COUNTERSIGN_STORE: `sqlite:${file}`,
    COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
  };
  const run = async (...args: string[]) => {
    const done = await folder.cli(['audit', ...args], { env });
    t.is(done.code, 0, done.stderr);
    return done.stdout;
  };
  const target = join(folder.path, 'trail.jsonl');
  await run('export', '--append', target);
  const first = await readFile(target, 'utf8');
  await truncate(target, first.length - 40);
  await store.commit({ changes: [], events: [someEvent(99)] });
  await run('export', '--append', target);
  const lines = (await readFile(target, 'utf8')).split('\n').slice(0, -1);
  t.is(new Set(lines).size, lines.length);
  t.true(lines.some(line => line.includes('req_99')));
  for (const line of first.split('\n').slice(0, -1)) t.true(lines.includes(line));
  await run('verify', '--file', target);

  const { lane } = JSON.parse(lines[0] ?? '') as AuditRow;
  const after = (await run('export', '--lane', lane, '--after-seq', '10')).split('\n').slice(0, -1);
  t.deepEqual(
    after.map(line => JSON.parse(line).seq),
    [11, 12],
  );
  const since = ['--since', new Date(NOW + 3).toISOString(), '--until', new Date(NOW + 5).toISOString()];
  const span = (await run('export', '--lane', lane, ...since)).split('\n').slice(0, -1);
  t.deepEqual(
    span.map(line => JSON.parse(JSON.parse(line).body).event.at),
    [NOW + 3, NOW + 4],
  );
  const tail = (await run('tail', '-o', 'json', '-n', '1', '--lane', lane, ...since)).trim();
  t.is(JSON.parse(tail).event.at, NOW + 4);

  await appendFile(target, 'no row\n');
  const refused = await folder.cli(['audit', 'export', '--append', target], { env });
  t.regex(refused.stderr, /line \d+ is no row/);
  t.not(refused.code, 0);
});

onEachStore(
  'I12: who reads the trail changes nothing: no lane, no row, no file; and is told which store was read',
  async (t, store) => {
    const app = await startApp(t, { env: store });
    const folder = await makeFolder(t, {
      COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}`,
      ...store,
    });
    const read = async () => {
      for (const verb of [['verify'], ['verify', '-o', 'json'], ['tail'], ['export']]) {
        const done = await folder.cliHere(['audit', ...verb]);
        t.is(done.code, 0, done.stderr);
        const said = verb[0] === 'verify' ? done.stdout : done.stderr;
        t.regex(said, /(SQLite|MongoDB) \S+/, verb.join(' '));
        t.notRegex(said, /\/\/\w+:\w+@/);
      }
      for (const verb of ['status', 'list']) await folder.cliHere(['quarantine', verb]);
    };
    const lanes = async () => (await app.store.listLanes()).map(({ lane }) => lane);
    const before = await lanes();
    await read();
    t.deepEqual(await lanes(), before);
    await app.stop();
    const files = await readdir(app.directory);
    await read();
    t.deepEqual(await readdir(app.directory), files);
  },
);

test('I12: a copy of the file alone is verified where it lies, and nothing is left beside it', async t => {
  const { store, file } = await writeRealTrail(t);
  const folder = await makeFolder(t);
  const copy = join(folder.path, 'copy.sqlite');
  const env = { COUNTERSIGN_STORE: `sqlite:${copy}` };
  await store.close();
  await copyFile(file, copy);
  const bytes = await readFile(copy);
  const before = await readdir(folder.path);
  const verified = await folder.cliHere(['audit', 'verify'], { env });
  t.is(verified.code, 0, verified.stderr);
  t.regex(verified.stdout, /36 rows in 3 lanes: every hash is right/);
  t.true(verified.stdout.includes(copy));
  t.deepEqual(await readdir(folder.path), before);
  t.true((await readFile(copy)).equals(bytes));
});

test('I12: of nothing nothing is said to be right: no store, none in the file, no rows, an empty export, empty checkpoints', async t => {
  const { file } = await writeRealTrail(t);
  const folder = await makeFolder(t);
  const inFolder = (name: string) => ({ env: { COUNTERSIGN_STORE: `sqlite:${join(folder.path, name)}` } });
  await writeFile(join(folder.path, 'empty.sqlite'), '');
  await copyFile(file, join(folder.path, 'no-rows.sqlite'));
  replaceRows(join(folder.path, 'no-rows.sqlite'), []);
  await writeFile(
    join(folder.path, 'other.sqlite'),
    'this is no database, and longer than the header of one is: '.repeat(4),
  );
  for (const name of ['missing.sqlite', 'empty.sqlite', 'no-rows.sqlite', 'other.sqlite']) {
    for (const verb of ['verify', 'tail', 'export']) {
      const { code, stdout, stderr } = await folder.cliHere(['audit', verb], inFolder(name));
      t.not(code, 0, `${verb} ${name}`);
      t.notRegex(stdout, /right|\{/, `${verb} ${name}`);
      t.regex(stdout + stderr, /no store|no row|no database/, `${verb} ${name}`);
      t.true((stdout + stderr).includes(name), stdout + stderr);
    }
  }
  t.is(await readFile(join(folder.path, 'empty.sqlite'), 'utf8'), '');
  await writeFile(join(folder.path, 'nothing.jsonl'), '');
  await writeFile(join(folder.path, 'checkpoints.jws'), '');
  await writeFile(
    join(folder.path, 'key.pem'),
    createPublicKey(CHECKPOINT_KEY).export({ type: 'spki', format: 'pem' }),
  );
  const empty = await folder.cliHere(['audit', 'verify', '--file', 'nothing.jsonl']);
  t.is(empty.code, 1);
  t.regex(empty.stdout, /nothing\.jsonl.*\n.*no rows/);
  const json = await folder.cliHere(['audit', 'verify', '--file', 'nothing.jsonl', '-o', 'json']);
  t.is(json.code, 1);
  t.false(json.json.isIntact);
  await folder.cliHere(['audit', 'export', '--append', 'trail.jsonl'], {
    env: { COUNTERSIGN_STORE: `sqlite:${file}` },
  });
  const without = await folder.cliHere(['audit', 'verify', '--file', 'trail.jsonl']);
  t.is(without.code, 0, without.stdout);
  const vouched = await folder.cliHere([
    'audit',
    'verify',
    '--file',
    'trail.jsonl',
    '-c',
    'checkpoints.jws',
    '-k',
    'key.pem',
  ]);
  t.is(vouched.code, 1);
  t.regex(vouched.stdout, /checkpoints\.jws: .*no checkpoint/);
});

test('whoever has read enough of an export ends it quietly, as head does', async t => {
  const { file } = await writeRealTrail(t, 300);
  const child = spawn(process.execPath, [PROGRAM, 'audit', 'export'], {
    env: { ...CHILD_ENV, COUNTERSIGN_STORE: `sqlite:${file}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = text(child.stderr);
  const ended = once(child, 'exit');
  await once(child.stdout, 'readable');
  t.is(child.stdout.read(1).toString(), '{');
  child.stdout.destroy();
  t.deepEqual(await ended, [0, null]);
  t.is(await said, `from SQLite ${file}\n`);
});
