import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { type Logger, pino } from 'pino';
import { type Clock, forwardClock } from './clock.ts';
import { compose } from './compose.ts';
import { type Config, localIssuer } from './config/index.ts';
import { listen } from './http/listen.ts';
import type { Store } from './store/store.ts';

/** A server that takes requests. */
export interface Running {
  readonly issuer: string;
  readonly port: number;
  readonly store: Store;
  /** Lets requests under way finish, keeps everything acknowledged, and ends. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** The system's where absent. However it steps, the server's own time never runs backwards. */
  readonly clock?: Clock;
  readonly log?: Logger;
}

/**
 * Starts a server: listens, composes, and takes requests from then on. It listens first, since a port of 0 becomes part of the
 * issuer's name only then.
 */
export async function startServer(config: Config, options: StartOptions = {}): Promise<Running> {
  const clock = forwardClock(options.clock);
  const log = options.log ?? pino({ level: config.logLevel });
  const version = packageVersion();
  let handler: (
    request: Parameters<Awaited<ReturnType<typeof compose>>['handler']>[0],
    response: ServerResponse,
  ) => void = (_request, response) => response.writeHead(503, { 'Retry-After': '1' }).end();

  const server = await listen((request, response) => handler(request, response as ServerResponse), {
    host: config.host,
    port: config.port,
    ...(config.tls && { tls: { cert: config.tls.certificate, key: config.tls.privateKey.reveal() } }),
  });
  const issuer = config.issuer ?? localIssuer(server.port, config.tls !== undefined);
  try {
    const composition = await compose({ config, issuer, version, clock, log });
    handler = composition.handler as typeof handler;
    log.info({ issuer, host: config.host, port: server.port, version }, 'ready');
    return {
      issuer,
      port: server.port,
      store: composition.store,
      stop: async () => {
        composition.announceStop();
        await server.stop(config.shutdownSeconds * 1000);
        await composition.close();
        log.info('stopped');
      },
    };
  } catch (error) {
    await server.stop(0);
    throw error;
  }
}

function packageVersion(): string {
  const path = new URL(`${import.meta.url.endsWith('.ts') ? '' : '../'}../package.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
