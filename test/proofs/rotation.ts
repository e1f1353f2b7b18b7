/** What nobody may notice: keys and secrets that are rotated while two processes are under load (R057). */
import assert from 'node:assert/strict';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Deployment } from '../support/deployment.ts';
import { EventCount } from '../support/event-count.ts';
import { patient, type ServerProcess } from '../support/server-process.ts';
import {
  type App,
  addAgent,
  addPerson,
  addResource,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';

const CALLERS = 8;
/** Longer than any proof: the successor signs when the former key is retired, and not by itself. */
const ENDLESS_OVERLAP_SECONDS = 86_400;
/** As long as verifiers keep the JWKS. */
const VERIFIER_CACHE_MS = 1_000;

type Server = Pick<ServerProcess, 'post' | 'call'>;

/** Two processes, and callers that ask them in turn. */
interface Scene {
  readonly deployment: Deployment;
  readonly servers: readonly [Server, Server];
  readonly resource: TestResource;
  readonly agents: readonly TestAgent[];
  readonly admin: { readonly Authorization: string };
  /** Requests that were answered. */
  readonly requests: EventCount;
  /** Answers 503 that were asked for again: only with MongoDB and a starved processor. */
  readonly repeated: EventCount;
}

async function setScene(deployment: Deployment): Promise<Scene> {
  // One after the other: processes that start together may each make a first key, and the second one would sign when the first retires.
  const started = [await deployment.start(), await deployment.start()] as const;
  const repeated = new EventCount();
  const [first, second] = started.map(server => patient(server, () => repeated.note()));
  const world = await deployment.withStore(async opened => {
    const app = opened as App;
    const owner = await addPerson(app);
    const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
    return { resource, agents: [await addAgent(app, owner, resource), await addAgent(app, owner, resource)] };
  });
  return {
    deployment,
    servers: [first as Server, second as Server],
    ...world,
    admin: await deployment.administer(started[0], 'keys agents'),
    requests: new EventCount(),
    repeated,
  };
}

/** Has callers at work until something is done. */
async function whileCalling(
  call: (caller: number, turn: number) => Promise<void>,
  work: () => Promise<void>,
): Promise<void> {
  let isDone = false;
  const caller = async (index: number): Promise<void> => {
    for (let turn = index; !isDone; turn += 1) await call(index, turn);
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, (_, index) => caller(index)));
  try {
    // Callers end only with what they should not have been told.
    await Promise.race([work(), callers]);
  } finally {
    isDone = true;
  }
  await callers;
}

async function issue(
  { resource, requests }: Scene,
  server: Server,
  basic: readonly [string, string],
): Promise<string> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const answer = await server.post('/token', form, { basic });
  assert.equal(answer.status, 200, answer.text);
  requests.note();
  return answer.json.access_token;
}

async function assertActive({ resource, requests }: Scene, server: Server, token: string): Promise<void> {
  const basic = [resource.id, resource.secret] as const;
  const answer = await server.post('/introspect', { token }, { basic });
  assert.deepEqual([answer.status, answer.json.active], [200, true], answer.text);
  requests.note();
}

async function jwksOf(server: Server): Promise<JSONWebKeySet> {
  const answer = await server.call('GET', '/jwks');
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

const kidOf = (token: string): string => decodeProtectedHeader(token).kid ?? '';

function has(jwks: JSONWebKeySet, kid: string): boolean {
  return jwks.keys.some(key => key.kid === kid);
}

/** A resource server's own verification. */
function verify({ deployment, resource }: Scene, keys: JWTVerifyGetKey, token: string): Promise<unknown> {
  return jwtVerify(token, keys, {
    issuer: deployment.issuer,
    audience: resource.identifier,
    typ: 'at+jwt',
  });
}

/** @returns the successor */
async function rotate({ servers, admin }: Scene, overlapSeconds: number): Promise<string> {
  const answer = await servers[0].call('POST', '/api/v1/keys/rotate', {
    headers: { ...admin, 'Content-Type': 'application/json' },
    body: JSON.stringify({ alg: 'ES256', overlapSeconds }),
  });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.items[0].id;
}

export interface KeyReport {
  readonly requests: number;
  readonly byFormer: number;
  readonly bySuccessor: number;
}

/**
 * Rotates the signing key under load, step by step: every process shows the successor before any signs with it, and every one signs
 * with it once it was told to. A verifier that looks at the JWKS but once, in between, verifies everything.
 */
export async function rotateKeyInOrder(deployment: Deployment, requests: number): Promise<KeyReport> {
  const scene = await setScene(deployment);
  const { servers, agents, admin } = scene;
  const formerToken = await issue(scene, servers[0], (agents[0] as TestAgent).basic);
  const former = kidOf(formerToken);
  const before = await jwksOf(servers[1]);
  const tokens: Record<string, string[]> = { [former]: [formerToken] };
  const stage = { successor: '', isRetiring: false, isRetired: false, keys: createLocalJWKSet(before) };

  const call = async (index: number, turn: number): Promise<void> => {
    const { isRetired } = stage;
    const agent = agents[index % agents.length] as TestAgent;
    const token = await issue(scene, servers[turn % 2] as Server, agent.basic);
    const kid = kidOf(token);
    if (isRetired) assert.equal(kid, stage.successor, 'a key that was retired signed on');
    if (!stage.isRetiring) assert.equal(kid, former, 'a key signed that is only published');
    tokens[kid] ??= [];
    tokens[kid].push(token);
    await verify(scene, stage.keys, token);
    // At the other process too, and one from before besides.
    const other = servers[(turn + 1) % 2] as Server;
    await assertActive(scene, other, token);
    await assertActive(scene, other, formerToken);
  };
  await whileCalling(call, async () => {
    await scene.requests.reached(requests / 4);
    stage.successor = await rotate(scene, ENDLESS_OVERLAP_SECONDS);
    for (const server of servers) {
      const jwks = await jwksOf(server);
      assert.ok(has(jwks, former) && has(jwks, stage.successor), 'a process does not show both keys');
      stage.keys = createLocalJWKSet(jwks);
    }
    await scene.requests.reached(scene.requests.count + requests / 4);
    stage.isRetiring = true;
    const retired = await servers[1].call('POST', `/api/v1/keys/${former}/retire`, { headers: admin });
    assert.deepEqual([retired.status, retired.json.status], [200, 'retired'], retired.text);
    stage.isRetired = true;
    await scene.requests.reached(scene.requests.count + requests / 2);
  });

  const { [former]: byFormer = [], [stage.successor]: bySuccessor = [], ...byOthers } = tokens;
  assert.ok(byFormer.length > 0 && bySuccessor.length > 0, 'one of the keys signed nothing');
  assert.deepEqual(byOthers, {});
  // What the former key signed is good to its end, for a verifier that knows nothing yet; the successor is news for one from before.
  const after = createLocalJWKSet(await jwksOf(servers[0]));
  for (const token of [...byFormer, ...bySuccessor]) await verify(scene, after, token);
  const [first = ''] = bySuccessor;
  await assert.rejects(verify(scene, createLocalJWKSet(before), first), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  return {
    requests: scene.requests.count,
    byFormer: byFormer.length,
    bySuccessor: bySuccessor.length,
  };
}

export interface OverlapReport extends KeyReport {
  readonly repeated: number;
  readonly verifications: number;
  readonly failedVerifications: number;
  /** From the first sight of the new key in the JWKS to the first token that it signed. */
  readonly publishedBeforeUseMs: number;
}

/**
 * Rotates the signing key by time, as operators do, while a verifier caches the JWKS for a second.
 *
 * @param overlapSeconds for how long the successor is published before it signs
 */
export async function rotateKeyByTime(
  deployment: Deployment,
  { requests, overlapSeconds }: { readonly requests: number; readonly overlapSeconds: number },
  onProgress: (requests: number) => void = () => undefined,
): Promise<OverlapReport> {
  const scene = await setScene(deployment);
  const { servers, agents } = scene;
  const remote = remoteKeys(scene);
  const tokens = new Map<string, { readonly firstAt: number; readonly values: string[] }>();
  const keys = new EventCount();
  const seenAt = new Map<string, number>();
  let verifications = 0;
  let failedVerifications = 0;
  const check = async (source: JWTVerifyGetKey, token: string): Promise<void> => {
    verifications += 1;
    await verify(scene, source, token).catch(() => (failedVerifications += 1));
  };

  const call = async (index: number, turn: number): Promise<void> => {
    const agent = agents[index % agents.length] as TestAgent;
    const token = await issue(scene, servers[turn % 2] as Server, agent.basic);
    const ofKey = tokens.get(kidOf(token)) ?? { firstAt: performance.now(), values: [] };
    ofKey.values.push(token);
    if (!tokens.has(kidOf(token))) {
      tokens.set(kidOf(token), ofKey);
      keys.note();
    }
    await check(remote, token);
    // One of the tokens from before, at the other process too.
    const earlier = ofKey.values[Math.floor(ofKey.values.length / 2)] as string;
    await assertActive(scene, servers[(turn + 1) % 2] as Server, earlier);
    onProgress(Math.min(scene.requests.count, requests));
  };
  let isDone = false;
  const watch = async (): Promise<void> => {
    while (!isDone) {
      for (const { kid = '' } of (await jwksOf(servers[1])).keys) {
        if (!seenAt.has(kid)) seenAt.set(kid, performance.now());
      }
    }
  };
  const watching = watch();
  // What it fails of is told in the end.
  watching.catch(() => undefined);
  try {
    await whileCalling(call, async () => {
      await scene.requests.reached(requests / 4);
      await rotate(scene, overlapSeconds);
      await keys.reached(2);
      await scene.requests.reached(Math.max(requests, scene.requests.count + requests / 4));
    });
  } finally {
    isDone = true;
  }
  await watching;

  // What the former key signed is good to its end: once more, by a verifier that knows nothing yet.
  const fresh = remoteKeys(scene);
  for (const { values } of tokens.values()) {
    for (const token of values.slice(0, 50)) await verify(scene, fresh, token);
  }
  const [former, successor, ...others] = [...tokens]
    .map(([kid, ofKey]) => ({ kid, ...ofKey }))
    .sort((a, b) => a.firstAt - b.firstAt);
  assert.ok(former && successor && others.length === 0, 'the two keys did not sign, or others did');
  return {
    requests: scene.requests.count,
    repeated: scene.repeated.count,
    verifications,
    failedVerifications,
    byFormer: former.values.length,
    bySuccessor: successor.values.length,
    publishedBeforeUseMs: successor.firstAt - (seenAt.get(successor.kid) ?? Number.POSITIVE_INFINITY),
  };
}

/** jose's cache of the JWKS, which it gets from either process in turn. */
function remoteKeys({ deployment, servers }: Scene): JWTVerifyGetKey {
  let fetches = 0;
  return createRemoteJWKSet(new URL(`${deployment.issuer}/jwks`), {
    cacheMaxAge: VERIFIER_CACHE_MS,
    cooldownDuration: VERIFIER_CACHE_MS,
    [customFetch]: async () => {
      fetches += 1;
      const answer = await (servers[fetches % 2] as Server).call('GET', '/jwks');
      return new Response(answer.text, { status: answer.status, headers: answer.headers });
    },
  });
}

export interface SecretReport {
  readonly requests: number;
  readonly rotations: number;
}

/**
 * Rotates a client's secret while it is in use: callers take over the new one when they come to it, half of them late. After the
 * last rotation the secret before the previous one has to be refused.
 *
 * @param lateBy so many requests
 */
export async function rotateSecret(
  deployment: Deployment,
  { requests, lateBy }: { readonly requests: number; readonly lateBy: number },
  onProgress: (requests: number) => void = () => undefined,
): Promise<SecretReport> {
  const ROTATIONS = 4;
  const scene = await setScene(deployment);
  const { servers, admin } = scene;
  const agent = scene.agents[0] as TestAgent;
  const secrets = [agent.basic[1]];
  const inUse = Array.from({ length: CALLERS }, () => 0);
  const takeovers = new EventCount();

  const call = async (index: number, turn: number): Promise<void> => {
    const newest = secrets.length - 1;
    if (inUse[index] !== newest && (index % 2 === 0 || turn % lateBy === 0)) {
      inUse[index] = newest;
      takeovers.note();
    }
    await issue(scene, servers[turn % 2] as Server, [agent.id, secrets[inUse[index] ?? 0] ?? '']);
    onProgress(Math.min(scene.requests.count, requests));
  };
  await whileCalling(call, async () => {
    for (let rotation = 1; rotation <= ROTATIONS; rotation += 1) {
      await scene.requests.reached((requests * rotation) / (ROTATIONS + 1));
      // Everybody has come to the last one: the one before it may go.
      await takeovers.reached(CALLERS * (rotation - 1));
      const path = `/api/v1/agents/${agent.id}/secrets`;
      const answer = await (servers[rotation % 2] as Server).call('POST', path, { headers: admin });
      assert.equal(answer.status, 201, answer.text);
      secrets.push(answer.json.secret);
    }
    await scene.requests.reached(requests);
    await takeovers.reached(CALLERS * ROTATIONS);
  });

  const form = { grant_type: 'client_credentials', resource: scene.resource.identifier };
  for (const server of servers) {
    const statuses: number[] = [];
    for (const secret of secrets) {
      statuses.push((await server.post('/token', form, { basic: [agent.id, secret] })).status);
    }
    assert.deepEqual(statuses, [401, 401, 401, 200, 200]);
  }
  return { requests: scene.requests.count, rotations: secrets.length - 1 };
}
