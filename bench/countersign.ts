/**
 * Countersign as it is started for real use: its own main program, durable, audited, logging, its store a SQLite file on a disk, or a
 * database of a MongoDB where the run has one.
 * Everybody is registered over its own HTTP interfaces, so that a version that differs inside can be measured too.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { adminToken, creatingAgents, post } from './admin-api.ts';
import { drive } from './load-generator.ts';
import type { MongoDatabase } from './mongo-store.ts';
import {
  ask,
  type BasicCredentials,
  type Child,
  end,
  JWT_RESOURCE,
  lastWords,
  OPAQUE_RESOURCE,
  PATIENCE_MS,
  SCOPE,
  type ServerProcess,
  type ServerProcessOptions,
  startChild,
  type Target,
  TOKEN_TTL_SECONDS,
  type Use,
} from './servers.ts';

/** The compiled main program of this checkout. */
export const MAIN = join(import.meta.dirname, '../src/main.js');

const REPORT_USE = pathToFileURL(join(import.meta.dirname, 'report-use.js')).href;
const POLL_MS = 5;
const REGISTERING_CONNECTIONS = 16;

/**
 * Starts a server and registers everybody.
 *
 * @param main its compiled main program, of this checkout or another
 * @throws {Error} when it does not start, or does not understand how everybody is registered; what it said is in the message
 */
export async function startCountersign(main: string, options: ServerProcessOptions): Promise<ServerProcess> {
  const port = await freePort();
  const admin = {
    id: `agt_${randomBytes(16).toString('hex')}`,
    secret: randomBytes(32).toString('base64url'),
  };
  const unlimited = await withoutLimits(main);
  const { store } = options;
  const database = store?.fresh();
  const started = await startChild(main, options, {
    preload: REPORT_USE,
    envIn: directory => ({
      ...environment(directory, port, admin),
      ...unlimited,
      ...(database && onMongo(database)),
    }),
  });
  const { child, remove } = started;
  const stop = async (): Promise<void> => {
    await end(child, () => child.kill('SIGTERM'));
    await remove();
    await database?.drop();
  };
  const use = async (): Promise<Use> => ({
    ...(await ask(started, { kind: 'report-use' }, 'use')),
    databaseCpuMicroseconds: await store?.cpuMicroseconds(),
  });
  try {
    await untilReady(started, port);
    const target = await register(port, admin, options);
    const pid = child.pid as number;
    return { pid, target, mayBeUnavailable: store !== undefined, use, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Only settings that every version knows. */
function environment(directory: string, port: number, admin: BasicCredentials): NodeJS.ProcessEnv {
  return {
    COUNTERSIGN_PORT: String(port),
    COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: directory,
    COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: String(TOKEN_TTL_SECONDS),
    COUNTERSIGN_LOG_LEVEL: 'info',
    COUNTERSIGN_BOOTSTRAP_CLIENT_ID: admin.id,
    COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: admin.secret,
  };
}

function onMongo({ uri }: MongoDatabase): NodeJS.ProcessEnv {
  return {
    COUNTERSIGN_STORE: uri,
    // All processes on a database share it, so that none may make one.
    COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
  };
}

/** Unknown tokens are asked about faster than one client may: whoever has a limit for that is started without it. */
async function withoutLimits(main: string): Promise<NodeJS.ProcessEnv> {
  const name = 'COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND';
  const settings = await readFile(join(main, '../config/schema.js'), 'utf8').catch(() => '');
  return settings.includes(name) ? { [name]: '0' } : {};
}

async function untilReady(started: Child, port: number): Promise<void> {
  const { child, name } = started;
  const startedAt = performance.now();
  while (!(await isReady(port))) {
    if (child.exitCode === null && child.signalCode === null && performance.now() - startedAt < PATIENCE_MS) {
      await delay(POLL_MS);
      continue;
    }
    throw new Error(`${name} does not start: ${await lastWords(started)}`);
  }
}

/** Registers everybody as any version lets an administrator do it. */
async function register(
  port: number,
  client: BasicCredentials,
  { clientKey, crowd = 0, spares = 0 }: ServerProcessOptions,
): Promise<Target> {
  const issuer = `http://localhost:${port}`;
  const paths = await discover(issuer);
  const token = await adminToken({ issuer, paths, admin: { client } });
  const owner = await post(issuer, 'people', { name: 'Owner', roles: ['member'] }, token);
  const resource = (identifier: string, tokenFormat: object) =>
    post(
      issuer,
      'resources',
      {
        identifier,
        name: identifier,
        scopes: [{ name: SCOPE, sentence: 'Read orders', risk: 'low' }],
        tokenFormat,
        accessTokenTtlSeconds: TOKEN_TTL_SECONDS,
      },
      token,
    );
  const opaque = await resource(OPAQUE_RESOURCE, { kind: 'opaque' });
  await resource(JWT_RESOURCE, { kind: 'jwt', alg: 'ES256' });
  const here = { issuer, port, ownerId: owner.id, token };
  const agents = async (count: number, credential: object): Promise<Registered[]> => {
    const made: Registered[] = [];
    const onAnswer = (body: string): void => void made.push(JSON.parse(body) as Registered);
    await drive({ ...creatingAgents(here, count, credential), onAnswer }, REGISTERING_CONNECTIONS);
    return made;
  };
  const bySecret = { method: 'client_secret' };
  const [secretClient] = await agents(1, bySecret);
  const [keyClient] = await agents(1, { method: 'private_key_jwt', keys: [clientKey] });
  return {
    issuer,
    port,
    paths,
    secretClient: credentials(secretClient),
    keyClientId: (keyClient as Registered).id,
    resourceServer: credentials(opaque),
    crowd: (await agents(crowd, bySecret)).map(credentials),
    admin: {
      client,
      ownerId: owner.id,
      spares: (await agents(spares, bySecret)).map(({ id }) => id),
    },
  };
}

interface Registered {
  readonly id: string;
  /** Shown this once, where it has one. */
  readonly secret?: string | undefined;
}

function credentials(registered: Registered | undefined): BasicCredentials {
  if (registered?.secret === undefined) throw new Error('somebody was registered without a secret');
  return { id: registered.id, secret: registered.secret };
}

/** Where everything is, as the server itself says it. */
async function discover(issuer: string): Promise<Target['paths']> {
  const discovery = '/.well-known/oauth-authorization-server';
  const metadata = (await (await fetch(issuer + discovery)).json()) as Record<string, string>;
  const path = (name: string): string => {
    const url = metadata[name];
    if (url === undefined) throw new Error(`the metadata of the server has no ${name}`);
    return new URL(url).pathname;
  };
  return {
    token: path('token_endpoint'),
    introspection: path('introspection_endpoint'),
    revocation: path('revocation_endpoint'),
    discovery,
    jwks: path('jwks_uri'),
  };
}

/** Whether it takes requests. */
export async function isReady(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  return port;
}
