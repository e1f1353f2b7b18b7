/**
 * R150: what was taken away after the backup stays away after the restore. One story for both stores: only how a backup is made
 * and put back differs.
 */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { decodeProtectedHeader } from 'jose';
import { fileTrail, verifyTrail } from '../../src/audit/index.ts';
import type { Delegation, DelegationChange } from '../../src/delegation/index.ts';
import { newId } from '../../src/ids.ts';
import { delegationRecord } from '../contract/records.ts';
import { CHILD_ENV } from '../support/child-env.ts';
import { freePort } from '../support/free-port.ts';
import {
  type Answer,
  type App,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  presenting,
  signAssertion,
  startAppIn,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';
import type { StoreEnv } from '../support/stores.ts';

/** How a store is backed up and put back. */
export interface BackupMeans {
  /** Copies the store while the server uses it. */
  backUp(world: World): Promise<void>;
  /** Puts the copy in place of the store while no server runs, and quarantines it. @returns what the operator was told */
  restore(world: World): Promise<string>;
}

export interface World {
  readonly directory: string;
  /** For servers and commands alike. */
  readonly env: Readonly<Record<string, string>>;
  readonly admin: App['admin'];
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program as an operator does. */
export function countersign({ env, directory }: World, ...args: readonly string[]): Promise<Finished> {
  const program = join(import.meta.dirname, '../../src/cli/main.ts');
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [program, ...args],
      { env: { ...CHILD_ENV, ...env }, cwd: directory, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** The same, and it has to succeed. */
export async function mustRun(
  t: ExecutionContext,
  world: World,
  ...args: readonly string[]
): Promise<string> {
  const { code, stdout, stderr } = await countersign(world, ...args);
  t.is(code, 0, `countersign ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

export async function newWorld(t: ExecutionContext, store: StoreEnv): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-recovery-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(directory, 'checkpoint.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const admin = {
    clientId: newId('agt', Date.now()),
    secret: 'A-secret-of-the-tests-that-is-long-enough-0123',
  };
  return {
    directory,
    admin,
    env: {
      COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
      COUNTERSIGN_DATA_DIR: directory,
      COUNTERSIGN_PORT: String(await freePort()),
      COUNTERSIGN_BOOTSTRAP_CLIENT_ID: admin.clientId,
      COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: admin.secret,
      COUNTERSIGN_AUDIT_CHECKPOINT_FILE: join(directory, 'checkpoints.jws'),
      COUNTERSIGN_AUDIT_CHECKPOINT_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      ...store,
    },
  };
}

/** Starts a server. It listens where the one before did, so that it has the same name. */
export async function start(t: ExecutionContext, world: World, aheadMs = 0): Promise<App> {
  const { directory, env } = world;
  const app = await startAppIn(directory, { env, clock: () => Date.now() + aheadMs });
  t.teardown(() => app.stop());
  return { ...app, admin: world.admin };
}

export async function call(app: App, method: string, path: string, token?: string): Promise<Answer> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(`${app.base}${path}`, { method, headers });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

const form = { grant_type: 'client_credentials' };

function askToken(app: App, agent: TestAgent, resource: TestResource): Promise<Answer> {
  return app.post('/token', { ...form, resource: resource.identifier }, { basic: agent.basic });
}

async function isActive(app: App, resource: TestResource, token: string): Promise<boolean> {
  const basic = [resource.id, resource.secret] as const;
  return (await app.post('/introspect', { token }, { basic })).json.active === true;
}

/** Everything that the story is about: what there was, and what was taken away after the backup. */
interface Story {
  readonly resource: TestResource;
  readonly closedResource: TestResource;
  readonly jwtResource: TestResource;
  readonly killed: TestAgent;
  readonly retired: TestAgent;
  readonly rotated: TestAgent;
  readonly ofTheDisabled: TestAgent;
  readonly untouched: TestAgent;
  readonly proving: Awaited<ReturnType<typeof addKeyAgent>> & { readonly assertion: string };
  readonly tokens: ReadonlyMap<string, readonly [TestResource, string]>;
  readonly killedKey: string;
  readonly disabledId: string;
  readonly delegation: Delegation;
}

type Begun = Omit<Story, 'tokens' | 'killedKey'>;

async function begin(app: App): Promise<Begun> {
  const [owner, disabled] = [await addPerson(app), await addPerson(app)];
  const resource = await addResource(app);
  const closedResource = await addResource(app);
  const jwtResource = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
  const everywhere = {
    envelope: [resource, closedResource, jwtResource].map(({ identifier }) => ({
      resource: identifier,
      scopes: ['read'],
    })),
    baseline: [resource, closedResource, jwtResource].map(({ identifier }) => ({
      resource: identifier,
      scopes: ['read'],
    })),
  };
  const proving = await addKeyAgent(app, owner, resource);
  const untouched = await addAgent(app, owner, resource, everywhere);
  const delegation = delegationRecord({
    personId: owner.id,
    agentId: untouched.id as `agt_${string}`,
    resourceId: resource.id,
    resource: resource.identifier,
    expiresAt: app.now() + 3_600_000,
  });
  const given: DelegationChange = { kind: 'insert', collection: 'delegation', record: delegation };
  await app.store.commit({ changes: [given], events: [], authority: { none: 'boot' } });
  return {
    resource,
    closedResource,
    jwtResource,
    killed: await addAgent(app, owner, resource),
    retired: await addAgent(app, owner, resource),
    rotated: await addAgent(app, owner, resource),
    ofTheDisabled: await addAgent(app, disabled, resource),
    untouched,
    delegation,
    proving: { ...proving, assertion: await signAssertion(app, proving, { exp: seconds(app) + 290 }) },
    disabledId: disabled.id,
  };
}

function seconds(app: App): number {
  return Math.floor(app.now() / 1000);
}

async function takeTokens(t: ExecutionContext, app: App, story: Begun): Promise<Story['tokens']> {
  const wanted: readonly (readonly [string, TestAgent, TestResource])[] = [
    ['of the agent to be killed', story.killed, story.resource],
    ['of the agent to be retired', story.retired, story.resource],
    ['of the agent whose secret is rotated', story.rotated, story.resource],
    ['of the person to be disabled', story.ofTheDisabled, story.resource],
    ['to be revoked', story.untouched, story.resource],
    ['for the resource to be closed', story.untouched, story.closedResource],
    ['signed with the key to be killed', story.untouched, story.jwtResource],
    ['of which nothing is taken away', story.untouched, story.resource],
  ];
  const tokens = new Map<string, readonly [TestResource, string]>();
  for (const [name, agent, resource] of wanted) {
    const answer = await askToken(app, agent, resource);
    t.is(answer.status, 200, `${name}: ${answer.text}`);
    t.true(await isActive(app, resource, answer.json.access_token), name);
    tokens.set(name, [resource, answer.json.access_token]);
  }
  return tokens;
}

/** Plays the story up to the moment at which the restored store is quarantined. */
export async function untilRestored(
  t: ExecutionContext,
  store: StoreEnv,
  means: BackupMeans,
): Promise<{ readonly world: World; readonly story: Story; readonly told: string }> {
  const world = await newWorld(t, store);
  const app = await start(t, world);
  const begun = await begin(app);
  const tokens = await takeTokens(t, app, begun);
  const signed = tokens.get('signed with the key to be killed')?.[1] ?? '';
  const story: Story = { ...begun, tokens, killedKey: decodeProtectedHeader(signed).kid ?? '' };

  await means.backUp(world);

  const admin = (await app.post('/token', form, { basic: [world.admin.clientId, world.admin.secret] })).json
    .access_token;
  const after = async (path: string): Promise<void> => {
    const { status, text } = await call(app, 'POST', `/api/v1/${path}`, admin);
    t.true(status === 200 || status === 201, `${path}: ${text}`);
  };
  await after(`agents/${story.killed.id}/kill`);
  await after(`agents/${story.retired.id}/retire`);
  // The second one is what ends the first secret: until then both work.
  await after(`agents/${story.rotated.id}/secrets`);
  await after(`agents/${story.rotated.id}/secrets`);
  await after(`people/${story.disabledId}/kill`);
  await after(`resources/${story.closedResource.id}/kill`);
  await after(`keys/${story.killedKey}/kill`);
  await after(`delegations/${story.delegation.id}/end`);
  const revoked = tokens.get('to be revoked')?.[1] ?? '';
  t.is((await app.post('/revoke', { token: revoked }, { basic: story.untouched.basic })).status, 200);
  const used = await app.post('/token', {
    ...form,
    resource: story.resource.identifier,
    ...presenting(story.proving.assertion),
  });
  t.is(used.status, 200, used.text);

  await app.stop();
  await writeFile(join(world.directory, 'trail.jsonl'), await mustRun(t, world, 'audit', 'export'));
  t.true((await verifyTrail(fileTrail(join(world.directory, 'trail.jsonl')))).isIntact);
  return { world, story, told: await means.restore(world) };
}

/** While it is quarantined a server refuses everything but to say so. */
export async function holdClosed(t: ExecutionContext, world: World, story: Story): Promise<void> {
  const app = await start(t, world);
  const ready = await call(app, 'GET', '/readyz');
  t.is(ready.status, 503);
  t.is(ready.json.checks.quarantine, 'quarantined');
  t.is((await call(app, 'GET', '/livez')).status, 200);

  for (const agent of [story.untouched, story.killed]) {
    const refused = await askToken(app, agent, story.resource);
    t.is(refused.status, 503);
    t.is(refused.json.error, 'temporarily_unavailable');
    t.is(refused.headers.get('retry-after'), '60');
  }
  for (const path of ['/jwks', '/authorize', '/api/v1/agents']) {
    t.is((await call(app, 'GET', path)).status, 503, path);
  }
  t.is((await app.post('/par', {})).status, 503);
  t.is((await app.post('/revoke', {})).status, 503);
  for (const [name, [resource, token]] of story.tokens) t.false(await isActive(app, resource, token), name);
  const refusals = (await app.trail()).filter(event => event.type === 'deployment.request-refused');
  t.true(refusals.length > 0 && refusals.every(({ reason }) => reason === 'deployment-quarantined'));
  await app.stop();
}

/** What had been taken away is still away, and what had not been works. */
export async function holdDead(t: ExecutionContext, world: World, story: Story): Promise<void> {
  // Half a minute on: until then an assertion could have been made before the restore, by a clock that is ahead.
  const app = await start(t, world, 40_000);
  t.is((await call(app, 'GET', '/readyz')).status, 200);
  for (const [name, [resource, token]] of story.tokens) t.false(await isActive(app, resource, token), name);

  for (const name of ['killed', 'retired', 'rotated', 'ofTheDisabled'] as const) {
    const answer = await askToken(app, story[name], story.resource);
    t.is(answer.status, 401, `${name}: ${answer.text}`);
  }
  const closed = await askToken(app, story.untouched, story.closedResource);
  t.is(closed.json.error, 'invalid_target', closed.text);
  const { keys } = (await call(app, 'GET', '/jwks')).json as { keys: { kid: string }[] };
  t.false(
    keys.some(({ kid }) => kid === story.killedKey),
    'the key is published again',
  );
  const { delegation } = story;
  t.is((await app.store.findDelegation(delegation.id))?.status, 'ended', 'the delegation stands again');
  t.is(await app.store.findActiveDelegation(delegation), undefined);
  const again = await app.post('/token', {
    ...form,
    resource: story.resource.identifier,
    ...presenting(story.proving.assertion),
  });
  t.is(again.status, 401, 'an assertion that was used after the backup was accepted once more');

  const answer = await askToken(app, story.untouched, story.resource);
  t.is(answer.status, 200, answer.text);
  t.true(await isActive(app, story.resource, answer.json.access_token));
  const signed = await askToken(app, story.untouched, story.jwtResource);
  t.not(decodeProtectedHeader(signed.json.access_token).kid, story.killedKey);
  t.true(await isActive(app, story.jwtResource, signed.json.access_token));
  const fresh = await signAssertion(app, story.proving);
  const proved = await app.post('/token', {
    ...form,
    resource: story.resource.identifier,
    ...presenting(fresh),
  });
  t.is(proved.status, 200, proved.text);
  await app.stop();
}

/** The records as `quarantine list` shows them. */
export async function listed(
  t: ExecutionContext,
  world: World,
): Promise<{ id: string; kind: string; about: string; hasSecret: boolean }[]> {
  const text = await mustRun(t, world, 'quarantine', 'list', '-o', 'json');
  return text
    .trim()
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
}
