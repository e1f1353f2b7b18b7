import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections: one of those could take it before it is used, or between two starts. */
const LOWEST = 10_000;
const HIGHEST = 32_000;

/** A port of this machine that nobody uses now, nor will by chance. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    const server = createServer();
    const listening = once(server, 'listening').then(() => true);
    const failed = once(server, 'error').then(() => false);
    server.listen(port, '127.0.0.1');
    if (!(await Promise.race([listening, failed]))) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
