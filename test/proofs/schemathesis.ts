/**
 * Sends what [Schemathesis](https://schemathesis.io) makes of `/openapi.json` to a live server with records in it: no answer may be a
 * 5xx, and each must be one that the document describes. What it would take for a defect and is meant so stands in
 * `schemathesis.toml`, with the reason.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ADMIN_SCOPES } from '../../src/admin-api/index.ts';
import { createClient } from '../../src/client/index.ts';
import { installPythonPackages } from '../support/python-package.ts';
import { type App, addAgent, addPerson, addResource, getToken, startAppIn } from '../support/start-app.ts';
import { freshStore, type ProofHost, type StoreKind } from './proof.ts';

const REQUIREMENTS = join(import.meta.dirname, 'schemathesis-requirements.txt');

export interface ApiReport {
  readonly answers: number;
  /** Of each status. */
  readonly byStatus: Readonly<Record<string, number>>;
}

/**
 * @param examples how many it makes of each call: 60 try each parameter and field in several wrong ways
 * @throws {AssertionError} with what Schemathesis says, where it has found something
 */
export async function holdApiToItsDocument(
  host: ProofHost,
  kind: StoreKind,
  { examples, seed }: { readonly examples: number; readonly seed: number },
): Promise<ApiReport> {
  const program = join(await installPythonPackages('schemathesis', REQUIREMENTS), 'bin/schemathesis');
  const { env } = await freshStore(host, kind);
  const directory = await mkdtemp(join(tmpdir(), 'countersign-schemathesis-'));
  host.teardown(() => rm(directory, { recursive: true, force: true }));
  const app = await startAppIn(directory, {
    env: {
      COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND: '100000',
      COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: '3600',
      ...env,
    },
  });
  host.teardown(() => app.stop());
  const files = { token: join(directory, 'token'), report: join(directory, 'report.ndjson') };
  await fill(app);
  const authority = await keepAuthority(app, files.token);
  try {
    await run(host, program, directory, files, [
      ...['run', `${app.base}/openapi.json`, '--checks', 'all'],
      ...['--max-examples', String(examples), '--seed', String(seed)],
    ]);
  } finally {
    await authority.stop();
  }
  const byStatus = await readAnswers(files.report);
  const answers = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
  // A run in which nearly everything is refused at the door says nothing.
  const refused = byStatus['401'] ?? 0;
  assert.ok(refused <= answers / 2, `most calls had no authority: ${JSON.stringify(byStatus)}`);
  return { answers, byStatus };
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

async function fill(server: App): Promise<void> {
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

/** Runs Schemathesis to its end. */
async function run(
  host: ProofHost,
  program: string,
  directory: string,
  files: { readonly token: string; readonly report: string },
  what: readonly string[],
): Promise<void> {
  const args = [
    ...['--config-file', join(import.meta.dirname, 'schemathesis.toml'), ...what],
    ...['--continue-on-failure', '--workers', '1', '--generation-database', 'none'],
    ...['--report', 'ndjson', '--report-ndjson-path', files.report],
  ];
  const env = {
    ...process.env,
    SCHEMATHESIS_HOOKS: 'schemathesis_auth',
    PYTHONPATH: import.meta.dirname,
    PYTHONDONTWRITEBYTECODE: '1',
    TOKEN_FILE: files.token,
  };
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: directory, env });
  const ended = once(child, 'close');
  host.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += String(chunk);
    });
  }
  const [code] = await ended;
  assert.equal(code, 0, output);
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
