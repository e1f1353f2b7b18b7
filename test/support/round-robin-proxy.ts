/**
 * What stands in front of several processes: a plain HTTP proxy that hands each request to the next process in turn, knows
 * nothing of the protocol, and finds out that a process is gone by trying it. Like nginx with its defaults it tries the next
 * process when nobody listens; what it may send a second time after a connection broke, it has to be told.
 */
import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream/promises';

export interface RoundRobinProxy {
  /** How many answers came from each process, by its port. */
  readonly answered: ReadonlyMap<number, number>;
  /** How many requests were sent again: because nobody listened, and because a connection broke. */
  readonly tries: { readonly refused: number; readonly broken: number };
  stop(): Promise<void>;
}

/** What the proxy can see of a request. */
export interface ForwardedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

export interface RoundRobinProxyOptions {
  /** The issuer's port, so that everybody comes this way. */
  readonly port: number;
  /** The ports of the processes. */
  readonly upstreams: readonly number[];
  /** Whether a request may be sent again when its connection broke before an answer came; none may where absent. */
  mayRepeat?(request: ForwardedRequest): boolean;
}

/** Set on every answer: the port of the process that gave it. */
export const SERVED_BY = 'x-served-by';

/**
 * The calls that do no harm when they arrive twice: reads, introspection, revocation, and a token for a secret. An assertion or
 * a DPoP proof is good for one use, and an administrator's change may not be made twice.
 */
export function isRetrySafe({ method, path, body, headers }: ForwardedRequest): boolean {
  if (method === 'GET' || method === 'HEAD') return true;
  if (headers['dpop'] !== undefined || body.includes('client_assertion=')) return false;
  return ['/introspect', '/revoke', '/token'].includes(path);
}

export async function startRoundRobinProxy(options: RoundRobinProxyOptions): Promise<RoundRobinProxy> {
  const answered = new Map<number, number>();
  const tries = { refused: 0, broken: 0 };
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  let turn = 0;

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const forwarded = await readRequest(incoming);
    const first = turn++;
    // Everybody once, and the first once more: one process may be gone for good while another one closes its connections.
    for (let attempt = 0; attempt <= options.upstreams.length; attempt += 1) {
      const port = options.upstreams[(first + attempt) % options.upstreams.length] as number;
      try {
        const answer = await forward(agent, port, forwarded);
        answered.set(port, (answered.get(port) ?? 0) + 1);
        outgoing.writeHead(answer.statusCode ?? 502, { ...endToEnd(answer.headers), [SERVED_BY]: port });
        return await pipeline(answer, outgoing);
      } catch (error) {
        if (outgoing.headersSent) throw error;
        const wasRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
        if (!wasRefused && !options.mayRepeat?.(forwarded)) break;
        tries[wasRefused ? 'refused' : 'broken'] += 1;
      }
    }
    outgoing.writeHead(502).end();
  };
  // Connections stay open: with a limit, one that is closed here could be taken there for the next request at that moment.
  const server: Server = createServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.listen(options.port, 'localhost');
  await once(server, 'listening');
  return {
    answered,
    tries,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

/** Reads a request whole, so that it can be sent again. */
async function readRequest(incoming: IncomingMessage): Promise<ForwardedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const forwardedFor = incoming.headers['x-forwarded-for'];
  const peer = incoming.socket.remoteAddress ?? '';
  return {
    method: incoming.method ?? 'GET',
    path: incoming.url ?? '/',
    body: Buffer.concat(chunks).toString('latin1'),
    headers: {
      ...endToEnd(incoming.headers),
      'x-forwarded-for': forwardedFor === undefined ? peer : `${forwardedFor}, ${peer}`,
    },
  };
}

function forward(agent: Agent, port: number, forwarded: ForwardedRequest): Promise<IncomingMessage> {
  const { method, path, body, headers } = forwarded;
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, host: '127.0.0.1', port, method, path, headers }, resolve);
    outgoing.on('error', reject);
    outgoing.end(Buffer.from(body, 'latin1'));
  });
}

/** Headers but those of one connection (RFC 9110 section 7.6.1). */
function endToEnd(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...rest } = headers;
  return rest;
}
