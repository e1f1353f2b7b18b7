/**
 * Sends what Schemathesis makes of `/openapi.json` to a live server with records in it: no answer may be a 5xx, and each must be
 * one that the document describes. CONTRIBUTING.md says how to install it.
 *
 * `npm run proof:schemathesis [-- Schemathesis' own options]`, with `COUNTERSIGN_STORE` for another store than a new SQLite file.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ADMIN_SCOPES } from '../../src/admin-call.ts';
import { createClient } from '../../src/client/index.ts';
import { type App, addAgent, addPerson, addResource, getToken, startAppIn } from '../support/start-app.ts';

const PROGRAM = process.env['SCHEMATHESIS'] ?? 'schemathesis';
/** Enough to try each parameter and field in several wrong ways, in a few minutes. */
const EXAMPLES = '60';

const STORE = process.env['COUNTERSIGN_STORE'];

const directory = await mkdtemp(join(tmpdir(), 'countersign-schemathesis-'));
const app = await startAppIn(directory, {
  env: {
    COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND: '100000',
    COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: '3600',
    ...(STORE !== undefined && {
      COUNTERSIGN_STORE: STORE,
      COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
    }),
  },
});
const files = { token: join(directory, 'token'), report: join(directory, 'report.ndjson') };
try {
  await seed(app);
  const authority = await keepAuthority(app, files.token);
  const startedAt = performance.now();
  const code = await run();
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  await authority.stop();
  const answers = await readAnswers(files.report);
  const total = Object.values(answers).reduce((sum, count) => sum + count, 0);
  console.log(`${total} answers in ${seconds} s, by status: ${JSON.stringify(answers)}`);
  // A run in which nearly everything is refused at the door says nothing.
  const meant = total - (answers['401'] ?? 0);
  if (meant < total / 2) throw new Error('most calls had no authority: the run says nothing');
  process.exitCode = code;
} finally {
  await app.stop();
  await rm(directory, { recursive: true, force: true });
}

/**
 * Keeps an administrator at work, whatever the calls do to it, its owner or its tokens: otherwise all that follows would be
 * answered with 401. The file always has a token that was live a moment ago.
 */
async function keepAuthority(server: App, file: string): Promise<{ stop(): Promise<void> }> {
  let basic: readonly [string, string] = [server.admin.clientId, server.admin.secret];
  let isStopped = false;
  const keep = async (): Promise<void> => {
    const present = await readFile(file, 'utf8').catch(() => '');
    const headers = { Authorization: `Bearer ${present}` };
    if ((await fetch(`${server.base}/api/v1/me`, { headers })).ok) return;
    let token = await adminToken(server, basic);
    if (token === undefined) {
      basic = await newAdministrator(server);
      token = await adminToken(server, basic);
    }
    // In one step, so that nobody reads half of it.
    await writeFile(`${file}.new`, token ?? '');
    await rename(`${file}.new`, file);
  };
  await keep();
  const keeping = (async () => {
    while (!isStopped) {
      await delay(20);
      await keep().catch(error => console.error(String(error)));
    }
  })();
  return {
    stop: () => {
      isStopped = true;
      return keeping;
    },
  };
}

async function newAdministrator(server: App): Promise<readonly [string, string]> {
  const resource = await server.store.findResourceByIdentifier(`${server.issuer}/api`);
  if (!resource) throw new Error('there is no admin API');
  const own = [{ resource: resource.identifier, scopes: [...ADMIN_SCOPES] }];
  const owner = await addPerson(server, 'Another owner');
  return (await addAgent(server, owner, resource, { envelope: own, baseline: own })).basic;
}

async function seed(server: App): Promise<void> {
  const owner = await addPerson(server);
  const resource = await addResource(server);
  for (let n = 0; n < 20; n += 1) {
    const agent = await addAgent(server, owner, resource, { name: `Agent ${n}` });
    await getToken(server, agent, resource);
  }
  // What the examples of the document speak of.
  const { clientId, secret: clientSecret } = server.admin;
  const api = createClient({ issuer: server.issuer, clientId, clientSecret });
  const a = 'a'.repeat(32);
  await api.createPerson({ body: { id: `usr_${a}`, name: 'Ada Owner' } });
  const scopes = [
    { name: 'orders:read', sentence: 'See orders', risk: 'low' as const },
    { name: 'orders:refund', sentence: 'Pay an order back', risk: 'high' as const },
  ];
  const identifier = 'https://orders.example.com/mcp';
  await api.createResource({ body: { id: `res_${a}`, identifier, name: 'Orders', scopes } });
  await api.createAgent({
    body: {
      id: `agt_${a}`,
      name: 'Refunder',
      ownerId: `usr_${a}`,
      envelope: [{ resource: identifier, scopes: ['orders:read'] }],
      credential: { method: 'client_secret' },
    },
  });
}

/** A token for the admin API; undefined where the client gets none. */
async function adminToken(server: App, basic: readonly [string, string]): Promise<string | undefined> {
  const form = { grant_type: 'client_credentials', resource: `${server.issuer}/api` };
  return (await server.post('/token', form, { basic })).json.access_token;
}

/** @returns its exit code: 0 when it has found nothing */
async function run(): Promise<number> {
  const args = [
    ...['--config-file', join(import.meta.dirname, 'schemathesis.toml')],
    ...['run', `${app.base}/openapi.json`, '--checks', 'all', '--max-examples', EXAMPLES],
    ...['--continue-on-failure', '--workers', '1', '--generation-database', 'none'],
    ...['--report', 'ndjson', '--report-ndjson-path', files.report],
    ...process.argv.slice(2),
  ];
  const env = {
    ...process.env,
    SCHEMATHESIS_HOOKS: 'schemathesis_auth',
    PYTHONPATH: import.meta.dirname,
    PYTHONDONTWRITEBYTECODE: '1',
    TOKEN_FILE: files.token,
  };
  const child = spawn(PROGRAM, args, { stdio: 'inherit', cwd: directory, env });
  const [code] = await once(child, 'exit');
  return Number(code ?? 1);
}

/** How many answers of each status there were. */
async function readAnswers(report: string): Promise<Readonly<Record<string, number>>> {
  const answers: Record<string, number> = {};
  const text = await readFile(report, 'utf8');
  for (const [, status = ''] of text.matchAll(/"status_code":\s?(\d{3})/g)) {
    answers[status] = (answers[status] ?? 0) + 1;
  }
  return answers;
}
