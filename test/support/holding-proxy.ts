import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A way to a database on which a command can be held, for as long as a test wants: what else happens meanwhile, happens first. */
export interface HoldingProxy {
  /** The same database by this way, and by no other. */
  readonly uri: string;
  /** Holds the next command in which a text stands, and what comes after it on its connection. */
  hold(text: string): HeldCommand;
  /** Resolves when a command in which a text stands goes by. */
  passing(text: string): Promise<void>;
}

export interface HeldCommand {
  /** Resolves when it is held. */
  readonly held: Promise<void>;
  release(): void;
}

interface Watch {
  readonly text: string;
  readonly seen: PromiseWithResolvers<void>;
  /** What it waits for before it goes on. */
  readonly until?: Promise<void>;
}

/**
 * Stands before a MongoDB server. Commands cross in clear, each behind its length, so that whole ones are seen.
 *
 * @param uri of a server on this machine, without TLS
 */
export async function startHoldingProxy(
  t: { teardown(work: () => unknown): void },
  uri: string,
): Promise<HoldingProxy> {
  const target = new URL(uri);
  const sockets = new Set<Socket>();
  const watches = new Set<Watch>();
  const server = createServer(client => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // The other end goes with it.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    upstream.pipe(client);
    void forward(client, upstream, watches).catch(() => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const way = new URL(uri);
  way.port = String(port);
  // Else the driver goes where the server says that it is.
  way.searchParams.delete('replicaSet');
  way.searchParams.set('directConnection', 'true');
  return {
    uri: way.href,
    hold: text => {
      const seen = Promise.withResolvers<void>();
      const { promise, resolve } = Promise.withResolvers<void>();
      watches.add({ text, seen, until: promise });
      return { held: seen.promise, release: resolve };
    },
    passing: text => {
      const seen = Promise.withResolvers<void>();
      watches.add({ text, seen });
      return seen.promise;
    },
  };
}

async function forward(from: Socket, to: Socket, watches: Set<Watch>): Promise<void> {
  let waiting = Buffer.alloc(0);
  for await (const chunk of from) {
    waiting = Buffer.concat([waiting, chunk as Buffer]);
    while (waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
      const command = waiting.subarray(0, waiting.readInt32LE(0));
      waiting = waiting.subarray(command.length);
      const watch = [...watches].find(({ text }) => command.includes(text));
      if (watch) {
        watches.delete(watch);
        watch.seen.resolve();
        await watch.until;
      }
      to.write(command);
    }
  }
}
