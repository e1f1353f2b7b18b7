/** The trail leaves the store by HTTP and by the command line, whole or in part, and an export goes on where it ended. */
import { createPublicKey, randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type AuditRow, fileTrail, verifyCheckpoints, verifyTrail } from '../../src/audit/index.ts';
import type { AdminClient } from '../../src/client/index.ts';
import { makeFolder } from '../cli/run-cli.ts';
import { CHECKPOINT_KEY } from '../config/environments.ts';
import { adminClient } from '../support/admin-client.ts';
import { startApp } from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';
import { NOW, someEvent, writeRealTrail } from './real-trail.ts';

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
