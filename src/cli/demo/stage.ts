import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { demoWorld, ORDERS_ID, REPORTER_ID, SHOPKEEPER_ID, seedDemoWorld } from '../../../seed/demo-world.ts';
import { newClientSecret } from '../../clients/index.ts';
import { certainMoment } from '../../clock.ts';
import { loadConfig } from '../../config/index.ts';
import { newId } from '../../ids.ts';
import { newOrigin } from '../../origin.ts';
import { type Running, startServer } from '../../process/start.ts';
import { type Exchange, watchedFetch } from './exchange.ts';
import { type OrdersServer, openOrdersServer } from './orders-server.ts';
import type { AgentIdentity } from './shop-agent.ts';

export interface ClientSecret {
  readonly id: string;
  readonly secret: string;
}

/** What the demo plays on. */
export interface Stage {
  /** A fresh directory that only we can read: store, log, credentials. It goes with the stage. */
  readonly directory: string;
  readonly logFile: string;
  readonly log: Logger;
  readonly server: Running;
  readonly orders: OrdersServer;
  readonly shopkeeper: AgentIdentity;
  readonly admin: ClientSecret;
  readonly ordersCredential: ClientSecret;
  readonly reporter: ClientSecret;
  /** What the MCP server asked Countersign since this was last asked, and was answered. */
  takeIntrospections(): readonly Exchange[];
  /** Stops everything and leaves nothing behind. */
  strike(): Promise<void>;
}

export interface StageOptions {
  /** How the MCP server reaches Countersign. */
  readonly mcpServerFetch: typeof fetch;
}

/**
 * Starts Countersign on an empty embedded store, puts the demo world in, and starts the MCP server that it protects; all on free
 * ports of localhost. Whatever fails, nothing is left running.
 */
export async function setStage(options: StageOptions): Promise<Stage> {
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
  const server = await startServer(config, { log });
  struck.defer(() => server.stop());
  const orders = await openOrdersServer();
  struck.defer(() => orders.stop());

  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { store } = server;
  const secrets = await seedDemoWorld(
    { agents: store, people: store, resources: store, freshness: store },
    demoWorld({ ordersUrl: orders.url.href, shopkeeperKey: publicKey.export({ format: 'jwk' }) }),
    { ...newOrigin(certainMoment(Date.now())), authority: { none: 'host-command' } },
  );
  const secretOf = (id: string): ClientSecret => ({ id, secret: secrets.get(id) ?? '' });

  let introspections: Exchange[] = [];
  const fetch = watchedFetch(exchange => introspections.push(exchange), options.mcpServerFetch);
  await orders.serve({ issuer: server.issuer, ...secretOf(ORDERS_ID), fetch });

  const strike = struck.move();
  return {
    directory,
    logFile,
    log,
    server,
    orders,
    shopkeeper: {
      clientId: SHOPKEEPER_ID,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      issuer: server.issuer,
    },
    admin,
    ordersCredential: secretOf(ORDERS_ID),
    reporter: secretOf(REPORTER_ID),
    takeIntrospections: () => {
      const taken = introspections.filter(exchange => exchange.url.pathname === '/introspect');
      introspections = [];
      return taken;
    },
    strike: () => strike.disposeAsync(),
  };
}
