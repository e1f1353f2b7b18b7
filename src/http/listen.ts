import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface Listening {
  readonly port: number;
  /**
   * Stops taking connections, lets the requests under way finish, and closes what is left after the time given.
   *
   * @param drainMs at most this long
   */
  stop(drainMs: number): Promise<void>;
}

/**
 * Listens, with limits that a slow or silent peer cannot stretch (I16): 10 s for the headers, 15 s for the whole request,
 * 16 KiB of headers.
 */
export async function listen(handler: RequestListener, options: ListenOptions): Promise<Listening> {
  const limits = {
    headersTimeout: 10_000,
    requestTimeout: 15_000,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 2_000,
    maxHeaderSize: 16_384,
    // Two headers of one name that may occur once are an error, not a choice (RFC 9110 section 5.3).
    joinDuplicateHeaders: false,
  };
  const server: Server = options.tls
    ? createTlsServer({ ...limits, ...options.tls }, handler)
    : createServer(limits, handler);
  server.maxHeadersCount = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 1_024 }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: drainMs => stop(server, drainMs),
  };
}

async function stop(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()));
  server.closeIdleConnections();
  const deadline = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearTimeout(deadline);
}
