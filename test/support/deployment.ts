/**
 * Several server processes on one store, with a demo-sized world in it: what race, kill and crash tests share. The store is
 * opened by the test too, as one more process, to put records in and to read the trail.
 */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuthorisedOrigin } from '../../src/audit/index.ts';
import { certainMoment } from '../../src/clock.ts';
import { newId } from '../../src/ids.ts';
import { newOrigin } from '../../src/origin.ts';
import { migrateMongo, openMongoStore } from '../../src/store/mongo/index.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Store } from '../../src/store/store.ts';
import { freePort } from './free-port.ts';
import type { MongoServer } from './mongo-server.ts';
import { patientStore } from './patience.ts';
import { patient, type ServerProcess, startServerProcess } from './server-process.ts';
import {
  type App,
  addAgent,
  addPerson,
  addResource,
  type TestAgent,
  type TestResource,
} from './start-app.ts';

/** What ends with a test, or with a proof. */
interface Teardowns {
  teardown(work: () => unknown): void;
}

/** A kind of store that several processes can share. */
export interface SharedStore {
  readonly env: Readonly<Record<string, string>>;
  /** Opens the store once more, as a process of its own would. */
  open(): Promise<Store>;
}

export interface Deployment {
  readonly issuer: string;
  readonly admin: { readonly clientId: string; readonly secret: string };
  readonly shared: SharedStore;
  /** Starts one more process. It is killed with the test. */
  start(): Promise<ServerProcess>;
  /** Starts a process on the port of one that has ended. */
  restart(ended: ServerProcess): Promise<ServerProcess>;
  /** What an administrator's call carries: a token that this process issues now. */
  administer(
    server: Pick<ServerProcess, 'call' | 'post'>,
    scope?: string,
  ): Promise<{ readonly Authorization: string }>;
  /** Runs something with the store open in this process. */
  withStore<T>(work: (world: Pick<App, 'store' | 'now' | 'origin' | 'issuer'>) => Promise<T>): Promise<T>;
}

/** A fresh SQLite file that processes share. */
export async function sharedSqlite(t: Teardowns): Promise<SharedStore> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-shared-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 'countersign.sqlite');
  return {
    env: { COUNTERSIGN_STORE: `sqlite:${path}`, COUNTERSIGN_DATA_DIR: directory },
    open: () => openSqliteStore(path, { now: Date.now, lane: newId('lane', Date.now()) }),
  };
}

/** A fresh MongoDB database that processes share. */
export async function sharedMongo(t: Teardowns, server: Pick<MongoServer, 'freshUri'>): Promise<SharedStore> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-shared-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const uri = server.freshUri();
  await migrateMongo(uri);
  return {
    env: {
      COUNTERSIGN_STORE: uri,
      COUNTERSIGN_DATA_DIR: directory,
      COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
    },
    open: () => openMongoStore(uri, { now: Date.now, lane: newId('lane', Date.now()) }),
  };
}

/** Prepares a deployment; no process runs yet. */
export async function deploy(
  t: Teardowns,
  shared: SharedStore,
  settings: Readonly<Record<string, string>> = {},
): Promise<Deployment> {
  const issuer = `http://localhost:${await freePort()}`;
  const admin = {
    clientId: newId('agt', Date.now()),
    secret: 'A-secret-of-the-tests-that-is-long-enough-0123',
  };
  const running = new Set<ServerProcess>();
  t.teardown(async () => {
    for (const server of running) await server.end('SIGKILL');
  });
  const env = {
    ...shared.env,
    // Proofs ask about dead tokens faster than one resource server may.
    COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND: '0',
    ...settings,
    COUNTERSIGN_BOOTSTRAP_CLIENT_ID: admin.clientId,
    COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: admin.secret,
  };
  const startOn = async (port: number) => {
    const server = await startServerProcess({ env, issuer, port });
    running.add(server);
    return server;
  };
  return {
    issuer,
    admin,
    shared,
    start: async () => startOn(await freePort()),
    restart: ended => {
      running.delete(ended);
      return startOn(ended.port);
    },
    administer: async (server, scope = 'kill') => {
      const form = { grant_type: 'client_credentials', scope };
      const answer = await patient(server).post('/token', form, { basic: [admin.clientId, admin.secret] });
      if (answer.status !== 200) throw new Error(`no administrator's token: ${answer.status} ${answer.text}`);
      return { Authorization: `Bearer ${answer.json.access_token}` };
    },
    withStore: async work => {
      const store = patientStore(await shared.open());
      try {
        const origin = (): AuthorisedOrigin => ({
          ...newOrigin(certainMoment(Date.now())),
          authority: { none: 'host-command' },
        });
        return await work({ store, now: Date.now, origin, issuer });
      } finally {
        await store.close();
      }
    },
  };
}

export interface World {
  readonly ownerId: string;
  readonly resource: TestResource;
  readonly agents: readonly TestAgent[];
}

/** One resource server and some agents of one owner. */
export function populate(deployment: Deployment, agentCount: number): Promise<World> {
  return deployment.withStore(async world => {
    const app = world as App;
    const owner = await addPerson(app);
    const resource = await addResource(app);
    const agents: TestAgent[] = [];
    for (let index = 0; index < agentCount; index += 1) agents.push(await addAgent(app, owner, resource));
    return { ownerId: owner.id, resource, agents };
  });
}
