/** Two processes on one MongoDB behind a plain proxy on the issuer's port: what a production deployment is made of. */
import type { ExecutionContext } from 'ava';
import { type Deployment, deploy, sharedMongo, type World } from '../support/deployment.ts';
import type { MongoServer } from '../support/mongo-server.ts';
import {
  type ForwardedRequest,
  type RoundRobinProxy,
  SERVED_BY,
  startRoundRobinProxy,
} from '../support/round-robin-proxy.ts';
import { type HttpCaller, openCaller, type ServerProcess } from '../support/server-process.ts';
import type { Answer, TestAgent } from '../support/start-app.ts';

export interface Cluster {
  readonly deployment: Deployment;
  readonly servers: readonly [ServerProcess, ServerProcess];
  readonly proxy: RoundRobinProxy;
  /** Calls the issuer, and so either process. */
  readonly caller: HttpCaller;
}

export interface ClusterOptions {
  readonly env?: Readonly<Record<string, string>>;
  mayRepeat?(request: ForwardedRequest): boolean;
}

/** Starts both processes and the proxy. They end with the test. */
export async function startCluster(
  t: ExecutionContext,
  mongo: MongoServer,
  { env, mayRepeat }: ClusterOptions = {},
): Promise<Cluster> {
  const shared = await sharedMongo(t, mongo);
  const deployment = await deploy(t, {
    ...shared,
    env: { ...shared.env, COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1,::1', ...env },
  });
  // At the same time: who is first prepares the empty store, and the other one has to cope.
  const servers = await Promise.all([deployment.start(), deployment.start()]);
  const port = Number(new URL(deployment.issuer).port);
  const proxy = await startRoundRobinProxy({
    port,
    upstreams: servers.map(server => server.port),
    ...(mayRepeat && { mayRepeat }),
  });
  const caller = openCaller(port, deployment.issuer);
  t.teardown(async () => {
    caller.close();
    await proxy.stop();
  });
  return { deployment, servers, proxy, caller };
}

/** Which process answered. */
export function servedBy(answer: Answer): number {
  return Number(answer.headers.get(SERVED_BY));
}

export function requestToken(
  caller: Pick<HttpCaller, 'post'>,
  { resource }: World,
  agent: TestAgent,
): Promise<Answer> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  return caller.post('/token', form, { basic: agent.basic });
}

export async function administrator(
  caller: Pick<HttpCaller, 'post'>,
  { admin }: Deployment,
): Promise<{ readonly Authorization: string }> {
  const form = { grant_type: 'client_credentials' };
  const answer = await caller.post('/token', form, { basic: [admin.clientId, admin.secret] });
  if (answer.status !== 200) throw new Error(`no administrator's token: ${answer.status} ${answer.text}`);
  return { Authorization: `Bearer ${answer.json.access_token}` };
}
