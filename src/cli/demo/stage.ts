import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import {
  demoWorld,
  ORDERS_ID,
  OWNER_ID,
  REPORTER_ID,
  SHOPKEEPER_ID,
  seedDemoWorld,
} from '../../../seed/demo-world.ts';
import { newClientSecret } from '../../clients/index.ts';
import { certainMoment } from '../../clock.ts';
import { loadConfig } from '../../config/index.ts';
import { newId } from '../../ids.ts';
import { newOrigin } from '../../origin.ts';
import { type Running, startServer } from '../../process/start.ts';
import { Alice } from './alice.ts';
import { type Administrator, administer, type ClientSecret } from './bare-calls.ts';
import { CommitWatch } from './commit-watch.ts';
import { type Exchange, watchedFetch } from './exchange.ts';
import { claim } from './narrator.ts';
import { type OrdersServer, openOrdersServer } from './orders-server.ts';
import type { AgentIdentity } from './shop-agent.ts';
import { MACHINE_CLOCK, movableClock, type StageClock, stageTime } from './stage-clock.ts';

/** How each part reaches Countersign. */
export interface Via {
  readonly mcpServer: typeof fetch;
  readonly agent: typeof fetch;
  readonly administrator: typeof fetch;
  /** The browser in which the demo does what Alice does. */
  readonly browser: typeof fetch;
}

/** Whoever watches should not have to wait for it to be recorded that an elevation is over. */
const ELEVATIONS_PAUSE_MS = 200;

const DIRECT: Via = { mcpServer: fetch, agent: fetch, administrator: fetch, browser: fetch };

/** What stands on the stage: the protected server, the agent and the people. */
export interface Furnished {
  readonly orders: OrdersServer;
  readonly via: Via;
  readonly shopkeeper: AgentIdentity;
  readonly administrator: Administrator;
  readonly ordersCredential: ClientSecret;
  readonly reporter: ClientSecret;
  readonly alice: Alice;
  readonly clock: StageClock;
  /** What the MCP server asked Countersign since this was last asked, and was answered. */
  takeIntrospections(): readonly Exchange[];
  /** What the MCP server printed since this was last asked. */
  takePrinted(): readonly string[];
  /** Stops the MCP server. */
  clear(): Promise<void>;
}

/** What the story needs: where the demo world stands, and how its store is looked into. */
export interface Scenery extends Omit<Furnished, 'clear'> {
  readonly server: Pick<Running, 'issuer' | 'store'>;
}

/** What the demo plays on. */
export interface Stage extends Scenery {
  /** A fresh directory that only we can read: store, log, credentials. It goes with the stage. */
  readonly directory: string;
  readonly logFile: string;
  readonly log: Logger;
  readonly commits: CommitWatch;
  /** Stops everything and leaves nothing behind. */
  strike(): Promise<void>;
}

/**
 * Starts Countersign on an empty embedded store, puts the demo world in, and starts the MCP server that it protects; all on free
 * ports of localhost. Whatever fails, nothing is left running.
 *
 * @param via how the parts reach Countersign, where it is not directly
 */
export async function setStage(via: Partial<Via> = {}): Promise<Stage> {
  await using struck = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'countersign-demo-'));
  struck.defer(() => rm(directory, { recursive: true, force: true }));
  const logFile = join(directory, 'countersign.log');
  const log = pino(pino.destination({ dest: logFile, sync: true }));

  const admin = { id: newId('agt', Date.now()), secret: newClientSecret() };
  const config = loadConfig({
    COUNTERSIGN_PORT: '0',
    COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: directory,
    COUNTERSIGN_BOOTSTRAP_CLIENT_ID: admin.id,
    COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: admin.secret,
  });
  const time = stageTime();
  const server = await startServer(config, { log, time, elevationsPauseMs: ELEVATIONS_PAUSE_MS });
  struck.defer(() => server.stop());
  const commits = new CommitWatch(server.store);
  const { clear, ...furnished } = await furnishStage(server, admin, via, movableClock(time, commits));
  struck.defer(clear);

  const strike = struck.move();
  return { directory, logFile, log, server, commits, ...furnished, strike: () => strike.disposeAsync() };
}

/**
 * Puts the demo world into a running Countersign, starts the MCP server, and has Alice enrol by her invitation.
 *
 * @param admin a client that may do all in the admin API
 * @param clock the server's
 */
export async function furnishStage(
  { issuer, store }: Pick<Running, 'issuer' | 'store'>,
  admin: ClientSecret,
  differently: Partial<Via> = {},
  clock: StageClock = MACHINE_CLOCK,
): Promise<Furnished> {
  const via = { ...DIRECT, ...differently };
  await using struck = new AsyncDisposableStack();
  const orders = await openOrdersServer();
  struck.defer(() => orders.stop());
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secrets = await seedDemoWorld(
    { agents: store, people: store, resources: store, freshness: store },
    demoWorld({ ordersUrl: orders.url.href, shopkeeperKey: publicKey.export({ format: 'jwk' }) }),
    { ...newOrigin(certainMoment(Date.now())), authority: { none: 'host-command' } },
  );
  const secretOf = (id: string): ClientSecret => ({ id, secret: secrets.get(id) ?? '' });

  let introspections: Exchange[] = [];
  let printed: string[] = [];
  await orders.serve({
    issuer,
    ...secretOf(ORDERS_ID),
    fetch: watchedFetch(exchange => introspections.push(exchange), via.mcpServer),
    print: line => printed.push(line),
  });

  const administrator = { issuer, admin, via: via.administrator };
  const invited = await administer(administrator, 'people', `/people/${OWNER_ID}/invite`);
  claim(invited.status === 200, `Alice's invitation was answered with ${invited.status}`);
  const link = String(invited.json?.['link']);
  const alice = await Alice.enrol({ issuer, link, credentials: store, via: via.browser, clock });

  const taken = struck.move();
  return {
    orders,
    via,
    shopkeeper: {
      clientId: SHOPKEEPER_ID,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      issuer,
    },
    administrator,
    ordersCredential: secretOf(ORDERS_ID),
    reporter: secretOf(REPORTER_ID),
    alice,
    clock,
    takeIntrospections: () => {
      const asked = introspections.filter(exchange => exchange.url.pathname === '/introspect');
      introspections = [];
      return asked;
    },
    takePrinted: () => {
      const lines = printed;
      printed = [];
      return lines;
    },
    clear: () => taken.disposeAsync(),
  };
}
