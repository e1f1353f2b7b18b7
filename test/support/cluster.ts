/** Two processes on one MongoDB behind a plain proxy on the issuer's port: what a production deployment is made of. */
import { type Deployment, deploy, type SharedStore, type World } from './deployment.ts';
import {
  type ForwardedRequest,
  type RoundRobinProxy,
  SERVED_BY,
  startRoundRobinProxy,
} from './round-robin-proxy.ts';
import { type HttpCaller, openCaller, type ServerProcess } from './server-process.ts';
import type { Answer, TestAgent } from './start-app.ts';

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
  host: Parameters<typeof deploy>[0],
  shared: SharedStore,
  { env, mayRepeat }: ClusterOptions = {},
): Promise<Cluster> {
  const deployment = await deploy(host, {
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
  host.teardown(async () => {
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
  { resource }: Pick<World, 'resource'>,
  agent: TestAgent,
): Promise<Answer> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  return caller.post('/token', form, { basic: agent.basic });
}
