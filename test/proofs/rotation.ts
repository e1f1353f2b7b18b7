/** What nobody may notice: keys and secrets that are rotated while two processes are under load (R057). */
import type { ExecutionContext } from 'ava';
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from 'jose';
import type { Deployment } from '../support/deployment.ts';
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
/** As long as verifiers keep the JWKS is shortened for the test, the overlap with it; the first stays below the second. */
const VERIFIER_CACHE_MS = 1_000;
const OVERLAP_SECONDS = 3;

export interface RotationReport {
  readonly requests: number;
  readonly failedRequests: number;
  /** Answers 503 that were asked for again: with MongoDB and a starved processor alone. */
  readonly repeatedRequests: number;
  readonly verifications: number;
  readonly failedVerifications: number;
  /** Tokens by the key that signed them, oldest key first. */
  readonly tokensByKey: readonly number[];
  /** From the first sight of the new key in the JWKS to the first token that it signed. */
  readonly publishedBeforeUseMs: number;
}

interface Load {
  requests: number;
  /** Answers 503 that were asked for again. */
  repeated: number;
  failed: string[];
  /** Everything that was issued, by kid, with when its first token came. */
  readonly tokens: Map<string, { readonly firstAt: number; readonly values: string[] }>;
  verifications: number;
  failedVerifications: string[];
}

/** Rotates the signing key while tokens are issued by both processes, and verified as a resource server does. */
export async function rotateKeyUnderLoad(
  t: ExecutionContext,
  deployment: Deployment,
  requests: number,
  overlapSeconds = OVERLAP_SECONDS,
): Promise<RotationReport> {
  const servers = await Promise.all([deployment.start(), deployment.start()]);
  const { resource, agents } = await jwtWorld(deployment);
  const admin = await administrator(deployment, servers[0] as ServerProcess);
  const load: Load = {
    requests: 0,
    repeated: 0,
    failed: [],
    tokens: new Map(),
    verifications: 0,
    failedVerifications: [],
  };
  const verify = verifier(servers, deployment.issuer, resource);
  const seenAt = new Map<string, number>();
  let isDone = false;

  const caller = async (index: number): Promise<void> => {
    for (let turn = index; !isDone; turn += 1) {
      const server = servers[turn % 2] as ServerProcess;
      const agent = agents[index % agents.length] as TestAgent;
      const token = await issue(server, resource, agent, load);
      if (token === undefined) continue;
      const kid = decodeProtectedHeader(token).kid ?? '';
      const ofKey = load.tokens.get(kid) ?? { firstAt: performance.now(), values: [] };
      load.tokens.set(kid, ofKey);
      ofKey.values.push(token);
      await check(load, () => verify(token));
      // One of the tokens from before, at the other process too.
      const earlier = ofKey.values[Math.floor(ofKey.values.length / 2)] as string;
      const basic = [resource.id, resource.secret] as const;
      const other = servers[(turn + 1) % 2] as ServerProcess;
      const answer = await patient(other, () => (load.repeated += 1)).post(
        '/introspect',
        { token: earlier },
        { basic },
      );
      count(load, answer.status === 200 && answer.json.active === true, `introspect ${answer.text}`);
    }
  };
  const watcher = async (): Promise<void> => {
    while (!isDone) {
      const answer = await (servers[1] as ServerProcess).call('GET', '/jwks');
      for (const { kid } of answer.json.keys) if (!seenAt.has(kid)) seenAt.set(kid, performance.now());
    }
  };
  const rotator = async (): Promise<void> => {
    await until(() => load.requests > requests / 4);
    const answer = await (servers[0] as ServerProcess).call('POST', '/api/v1/keys/rotate', {
      headers: { ...admin, 'Content-Type': 'application/json' },
      body: JSON.stringify({ alg: 'ES256', overlapSeconds }),
    });
    t.is(answer.status, 201, answer.text);
    await until(() => load.tokens.size > 1 && load.requests >= requests);
    isDone = true;
  };
  await Promise.all([rotator(), watcher(), ...Array.from({ length: CALLERS }, (_, index) => caller(index))]);

  // What the former key signed is good to its end: once more, by a verifier that knows nothing yet.
  const fresh = verifier(servers, deployment.issuer, resource);
  for (const { values } of load.tokens.values()) {
    for (const token of values.slice(0, 50)) await check(load, () => fresh(token));
  }
  const [, successor] = [...load.tokens].sort(([, a], [, b]) => a.firstAt - b.firstAt);
  if (load.failed.length > 0) t.log([...new Set(load.failed)].slice(0, 5).join('\n'));
  if (load.failedVerifications.length > 0)
    t.log([...new Set(load.failedVerifications)].slice(0, 5).join('\n'));
  return {
    requests: load.requests,
    failedRequests: load.failed.length,
    repeatedRequests: load.repeated,
    verifications: load.verifications,
    failedVerifications: load.failedVerifications.length,
    tokensByKey: [...load.tokens.values()].map(({ values }) => values.length),
    publishedBeforeUseMs: successor
      ? Math.round(successor[1].firstAt - (seenAt.get(successor[0]) ?? Number.POSITIVE_INFINITY))
      : Number.NEGATIVE_INFINITY,
  };
}

export interface SecretRotationReport {
  readonly requests: number;
  readonly failedRequests: number;
  /** Answers 503 that were asked for again: with MongoDB and a starved processor alone. */
  readonly repeatedRequests: number;
  readonly rotations: number;
}

/**
 * Rotates a client's secret while it is in use: callers take over the new one when they come to it, some of them late. After the
 * last rotation the secret before the previous one has to be refused.
 */
export async function rotateSecretUnderLoad(
  t: ExecutionContext,
  deployment: Deployment,
  requests: number,
): Promise<SecretRotationReport> {
  const servers = await Promise.all([deployment.start(), deployment.start()]);
  const { resource, agents } = await jwtWorld(deployment);
  const agent = agents[0] as TestAgent;
  const admin = await administrator(deployment, servers[0] as ServerProcess);
  const load: Load = {
    requests: 0,
    repeated: 0,
    failed: [],
    tokens: new Map(),
    verifications: 0,
    failedVerifications: [],
  };
  const secrets = [agent.basic[1]];
  const inUse: number[] = Array.from({ length: CALLERS }, () => 0);
  let isDone = false;

  const caller = async (index: number): Promise<void> => {
    for (let turn = index; !isDone; turn += 1) {
      // Half of the callers are late by a hundred requests.
      if (index % 2 === 0 || turn % 100 === 0) inUse[index] = secrets.length - 1;
      const basic = [agent.id, secrets[inUse[index] ?? 0] ?? ''] as const;
      await issue(servers[turn % 2] as ServerProcess, resource, { ...agent, basic }, load);
    }
  };
  const rotator = async (): Promise<void> => {
    for (let rotation = 1; rotation <= 4; rotation += 1) {
      const at = (requests * rotation) / 5;
      // Everybody has come to the last one: the one before it may go.
      await until(() => load.requests > at && inUse.every(number => number === secrets.length - 1));
      const answer = await (servers[rotation % 2] as ServerProcess).call(
        'POST',
        `/api/v1/agents/${agent.id}/secrets`,
        { headers: admin },
      );
      t.is(answer.status, 201, answer.text);
      secrets.push(answer.json.client_secret ?? answer.json.secret);
    }
    await until(() => load.requests >= requests);
    isDone = true;
  };
  await Promise.all([rotator(), ...Array.from({ length: CALLERS }, (_, index) => caller(index))]);
  if (load.failed.length > 0) t.log([...new Set(load.failed)].slice(0, 5).join('\n'));

  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (const server of servers) {
    const statuses = [];
    for (const secret of secrets)
      statuses.push((await server.post('/token', form, { basic: [agent.id, secret] })).status);
    t.deepEqual(statuses, [401, 401, 401, 200, 200]);
  }
  return {
    requests: load.requests,
    failedRequests: load.failed.length,
    repeatedRequests: load.repeated,
    rotations: secrets.length - 1,
  };
}

async function jwtWorld(
  deployment: Deployment,
): Promise<{ readonly resource: TestResource; readonly agents: readonly TestAgent[] }> {
  return deployment.withStore(async world => {
    const app = world as App;
    const owner = await addPerson(app);
    const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
    return { resource, agents: [await addAgent(app, owner, resource), await addAgent(app, owner, resource)] };
  });
}

async function administrator(
  { admin }: Deployment,
  server: ServerProcess,
): Promise<{ Authorization: string }> {
  const form = { grant_type: 'client_credentials', scope: 'keys agents' };
  const answer = await server.post('/token', form, { basic: [admin.clientId, admin.secret] });
  return { Authorization: `Bearer ${answer.json.access_token}` };
}

/** A resource server's own verification: jose with its cache of the JWKS, which it gets from either process. */
function verifier(
  servers: readonly ServerProcess[],
  issuer: string,
  resource: TestResource,
): (token: string) => Promise<unknown> {
  let fetches = 0;
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`), {
    cacheMaxAge: VERIFIER_CACHE_MS,
    cooldownDuration: VERIFIER_CACHE_MS,
    [customFetch]: async () => {
      fetches += 1;
      const answer = await (servers[fetches % servers.length] as ServerProcess).call('GET', '/jwks');
      return new Response(answer.text, { status: answer.status, headers: answer.headers });
    },
  });
  return token => jwtVerify(token, keys, { issuer, audience: resource.identifier, typ: 'at+jwt' });
}

async function issue(
  server: ServerProcess,
  resource: TestResource,
  agent: TestAgent,
  load: Load,
): Promise<string | undefined> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const answer = await patient(server, () => (load.repeated += 1)).post('/token', form, {
    basic: agent.basic,
  });
  count(load, answer.status === 200, `token ${answer.status} ${answer.text}`);
  return answer.status === 200 ? answer.json.access_token : undefined;
}

function count(load: Load, isRight: boolean, what: string): void {
  load.requests += 1;
  if (!isRight) load.failed.push(what);
}

async function check(load: Load, verify: () => Promise<unknown>): Promise<void> {
  load.verifications += 1;
  await verify().catch((error: Error) => load.failedVerifications.push(error.message));
}

/** Waits for the callers to get there. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve));
}
