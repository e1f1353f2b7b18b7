import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionFigures } from '../observability/index.ts';

/** In PEM: the certificate with its chain, and its key. */
export interface TlsPem {
  readonly cert: string;
  readonly key: string;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** One more is closed at once: with none left to accept, a file descriptor would be missing elsewhere. */
  readonly maxConnections: number;
  /** For how long a connection on which nothing is asked stays open; `KEEP_ALIVE_MS` where absent. */
  readonly keepAliveMs?: number;
  /** Counted here. */
  readonly figures: ConnectionFigures;
  readonly tls?: TlsPem;
  /** `SLOWEST_PEER` where absent. */
  readonly slowest?: SlowestPeer | undefined;
}

/** What a slow or silent peer may take, in milliseconds. */
export interface SlowestPeer {
  /** From the first byte, or the connection, to the end of the headers. */
  readonly headersMs: number;
  /** To the end of the request. */
  readonly requestMs: number;
  /** How often it is looked who has taken longer. */
  readonly lookEveryMs: number;
}

export interface Listening {
  readonly port: number;
  /** Has new connections use a renewed certificate; those that are open keep theirs. */
  renewTls(pair: TlsPem): void;
  /**
   * Stops taking connections, lets the requests under way finish, and closes what is left after the time given.
   *
   * @param drainMs at most this long
   */
  stop(drainMs: number): Promise<void>;
}

/**
 * What a slow or silent peer cannot stretch (I16): a handshake and the headers of a request take 10 s at most, the whole of it
 * 12 s, and it is looked once a second. So whoever sends nothing, or little at a time, is gone within 15 s.
 */
export const SLOWEST_PEER: SlowestPeer = { headersMs: 10_000, requestMs: 12_000, lookEveryMs: 1_000 };

/** Longer than the idle time of common load balancers: one that sends a request must not meet a connection being closed. */
const KEEP_ALIVE_MS = 65_000;
const LIMITS = {
  maxHeaderSize: 16_384,
  // Of two lines that may be there once the first is kept, never both as one; where it decides something, `own-host.ts` refuses them.
  joinDuplicateHeaders: false,
  // A request that says it has no body is not read for one.
  optimizeEmptyRequests: true,
};
const TLS = { minVersion: 'TLSv1.2', handshakeTimeout: 10_000 } as const;
/** Nothing moves on a connection for this long while an answer is on its way: nobody is reading it. */
const SILENT_MS = 60_000;
const MAX_HEADERS = 64;

/** What Node.js calls the ways in which something is no request, with their statuses; anything else is 400. */
const MALFORMED: Readonly<Record<string, readonly [status: number, text: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Content Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};

/** Listens, with TLS of its own where a pair is given (1.2 and later). */
export async function listen(handler: RequestListener, options: ListenOptions): Promise<Listening> {
  const { figures, slowest = SLOWEST_PEER } = options;
  const limits = {
    ...LIMITS,
    keepAliveTimeout: options.keepAliveMs ?? KEEP_ALIVE_MS,
    headersTimeout: slowest.headersMs,
    requestTimeout: slowest.requestMs,
    connectionsCheckingInterval: slowest.lookEveryMs,
  };
  const server: Server | TlsServer = options.tls
    ? createTlsServer({ ...limits, ...TLS, ...options.tls }, handler)
    : createServer(limits, handler);
  server.maxHeadersCount = MAX_HEADERS;
  server.timeout = SILENT_MS;
  server.maxConnections = options.maxConnections;
  server.on('connection', socket => {
    figures.open += 1;
    socket.once('close', () => {
      figures.open -= 1;
    });
  });
  server.on('drop', () => {
    figures.refused += 1;
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseMalformed(error, socket, figures));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 1_024 }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    renewTls: pair => {
      if ('setSecureContext' in server) server.setSecureContext({ ...TLS, ...pair });
    },
    stop: drainMs => stop(server, drainMs),
  };
}

/** Answers what is no request, as Node.js would, and closes the connection, whether or not the peer reads the answer. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex, figures: ConnectionFigures): void {
  const [status, text] = MALFORMED[error.code ?? ''] ?? [400, 'Bad Request'];
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  figures.countMalformed(status);
  // An answer that has begun cannot be followed by another one.
  const isAnswering = (socket as Duplex & { _httpMessage?: { headersSent: boolean } })._httpMessage
    ?.headersSent;
  if (isAnswering) socket.destroy();
  else socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\n\r\n`, () => socket.destroy());
}

/** How often connections are looked through that have become idle since. */
const IDLE_CHECK_MS = 25;

async function stop(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()));
  server.closeIdleConnections();
  // A connection that is kept alive would outlast the answer it has brought.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const deadline = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
}
