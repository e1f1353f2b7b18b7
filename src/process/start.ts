import type { RequestListener } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Clock, type Deadline, ServerClock, type SystemTime, systemTime } from '../clock.ts';
import { type Composition, compose } from '../compose.ts';
import { type Config, ConfigError, certificateEndsAt, localIssuer, type TlsPair } from '../config/index.ts';
import { type Listening, listen, type SlowestPeer } from '../http/index.ts';
import { ConnectionFigures, createLog, flushTraces, startTracing } from '../observability/index.ts';
import type { HashCost } from '../people/index.ts';
import type { Store } from '../store/store.ts';
import { cannotListen, cannotStart, METRICS_NAMES, SERVER_NAMES } from './cannot-start.ts';
import { packageVersion } from './package-version.ts';
import { keepTlsRenewed, type TlsRenewal } from './renew-tls.ts';
import { tellClock } from './tell-clock.ts';

/** A server that takes requests. */
export interface Running {
  readonly issuer: string;
  readonly port: number;
  /** Undefined when no metrics are served. */
  readonly metricsPort: number | undefined;
  readonly store: Store;
  /** Looks whether the TLS pair was renewed; undefined without TLS of its own. */
  readonly renewTls: (() => void) | undefined;
  /**
   * Says so in `/readyz`, takes connections for as long as is configured, lets requests under way finish, keeps everything
   * acknowledged, and ends.
   */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** The machine's clocks; the system's where absent. However they step, the server's own time never runs backwards. */
  readonly time?: SystemTime | undefined;
  /** What time the database has; it is asked where absent. */
  readonly databaseTime?: Clock | undefined;
  readonly log?: Logger;
  /** Ends the waits for others; the system's where absent. */
  readonly deadline?: Deadline | undefined;
  /** What a slow peer may take; `SLOWEST_PEER` where absent. */
  readonly slowest?: SlowestPeer | undefined;
  /** How many times longer than usual the database may take; 1 where absent. */
  readonly patience?: number | undefined;
  /** What hashing a password costs; what OWASP asks for where absent. */
  readonly hashCost?: HashCost | undefined;
  /** Milliseconds between two looks for elevations that are over; ten seconds where absent. */
  readonly elevationsPauseMs?: number | undefined;
}

/** Nobody but a scraper or two. */
const METRICS_CONNECTIONS = 16;

const NO_TRACER =
  'COUNTERSIGN_TRACES: on, but no OpenTelemetry SDK is registered in this process. Register one before the server starts, with NODE_OPTIONS="--import ./FILE", as docs/traces.md shows, or set it to off.';

/**
 * Starts a server: composes, listens, and takes requests from then on. The port opens last, since a proxy in front tries the
 * next process where nobody listens, but hands an answer of 503 on to the client. Only where the port becomes part of the
 * issuer's name does it have to open first.
 */
export async function startServer(config: Config, options: StartOptions = {}): Promise<Running> {
  const { time = systemTime } = options;
  const log = options.log ?? createLog(config.logLevel);
  const clock = new ServerClock(time, tellClock(log));
  const version = packageVersion();
  if (config.traces && !(await startTracing(version))) throw new ConfigError([NO_TRACER]);
  const connections = new ConnectionFigures();
  let handler: RequestListener = (_request, response) =>
    response.writeHead(503, { 'Retry-After': '1' }).end();
  const open = () =>
    listen((request, response) => handler(request, response), {
      host: config.host,
      port: config.port,
      maxConnections: config.maxConnections,
      keepAliveMs: config.keepAliveSeconds * 1000,
      figures: connections,
      slowest: options.slowest,
      ...(config.tls && { tls: toPem(config.tls) }),
    }).catch(error => {
      throw cannotListen(error, config, SERVER_NAMES);
    });

  let server: Listening | undefined;
  let composition: Composition | undefined;
  try {
    if (config.issuer === undefined && config.port === 0) server = await open();
    const issuer = config.issuer ?? localIssuer(server?.port ?? config.port, config.tls !== undefined);
    composition = await compose({
      config,
      issuer,
      version,
      clock,
      monotonic: time.monotonic,
      databaseTime: options.databaseTime,
      log,
      connections,
      deadline: options.deadline,
      patience: options.patience,
      hashCost: options.hashCost,
      elevationsPauseMs: options.elevationsPauseMs,
    });
    handler = composition.handler;
    server ??= await open();
    const renewal = config.tls && renewTls(config.tls, server, composition, log);
    const metrics = config.metrics && (await openMetrics(config.metrics, composition, renewal, log));
    log.info({ issuer, host: config.host, port: server.port, version }, 'ready');
    return running(
      issuer,
      { server, composition, renewal, metrics },
      { config, log, deadline: options.deadline },
    );
  } catch (error) {
    await server?.stop(0);
    await composition?.close();
    throw cannotStart(error);
  }
}

interface Parts {
  readonly server: Listening;
  readonly composition: Composition;
  readonly renewal: TlsRenewal | undefined;
  readonly metrics: Listening | undefined;
}

function running(
  issuer: string,
  { server, composition, renewal, metrics }: Parts,
  {
    config,
    log,
    deadline,
  }: { readonly config: Config; readonly log: Logger; readonly deadline: Deadline | undefined },
): Running {
  return {
    issuer,
    port: server.port,
    metricsPort: metrics?.port,
    store: composition.store,
    renewTls: renewal && (() => renewal.renew()),
    stop: async () => {
      composition.announceStop();
      log.info({ delaySeconds: config.stopDelaySeconds }, 'stopping');
      await delay(config.stopDelaySeconds * 1000);
      await server.stop(config.shutdownSeconds * 1000);
      await renewal?.stop();
      await composition.close();
      await metrics?.stop(0);
      await flushTraces(deadline);
      log.info('stopped');
    },
  };
}

function renewTls(tls: TlsPair, server: Listening, composition: Composition, log: Logger): TlsRenewal {
  return keepTlsRenewed(
    tls,
    pair => {
      server.renewTls(toPem(pair));
      log.info({ endsAt: new Date(certificateEndsAt(pair)) }, 'a renewed TLS certificate is in use');
    },
    error => {
      composition.noteFailure('certificate');
      log.warn({ err: error }, 'the TLS certificate was not renewed: the old one stays in use');
    },
  );
}

/** A port of its own, and a library that is loaded only for it. */
async function openMetrics(
  address: NonNullable<Config['metrics']>,
  composition: Composition,
  renewal: TlsRenewal | undefined,
  log: Logger,
): Promise<Listening> {
  const { metricsEndpoint } = await import('../metrics/metrics-endpoint.ts');
  const sources = {
    ...composition.metrics,
    certificateEndsAt: () => renewal && certificateEndsAt(renewal.pair),
  };
  const handler = metricsEndpoint(sources, error => log.warn({ err: error }, 'metrics could not be read'));
  const listening = await listen(handler, {
    ...address,
    maxConnections: METRICS_CONNECTIONS,
    figures: new ConnectionFigures(),
  }).catch(error => {
    throw cannotListen(error, address, METRICS_NAMES);
  });
  log.info({ host: address.host, port: listening.port }, 'metrics');
  return listening;
}

function toPem({ certificate, privateKey }: TlsPair): { readonly cert: string; readonly key: string } {
  return { cert: certificate, key: privateKey.reveal() };
}
