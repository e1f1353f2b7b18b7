/** A server in a process of its own, and a folder of files beside it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type AdminClient, createClient } from '../../src/client/index.ts';
import { makeFolder, type Ran, type RunOptions } from '../cli/run-cli.ts';
import { freePort, startServerProcess } from '../support/server-process.ts';

const ADMIN = {
  clientId: `agt_${'b'.repeat(32)}`,
  clientSecret: 'A-secret-of-the-tests-that-is-long-enough-0123',
};

export interface AsCodeServer {
  readonly api: AdminClient;
  /** The same with another way to make requests. */
  clientWith(fetchIt: typeof fetch): AdminClient;
  readonly issuer: string;
  readonly adminId: string;
  readonly path: string;
  /** The processor time that the server has used, in seconds: what it costs, however busy the machine is. */
  cpuSeconds(): Promise<number>;
  /** Writes a file into the folder in which the command line runs. */
  write(file: string, text: string): Promise<void>;
  cli(args: readonly string[], options?: RunOptions): Promise<Ran>;
}

export async function startAsCodeServer(t: ExecutionContext): Promise<AsCodeServer> {
  const data = await mkdtemp(join(tmpdir(), 'countersign-as-code-'));
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const server = await startServerProcess({
    issuer,
    port,
    env: {
      COUNTERSIGN_DATA_DIR: data,
      COUNTERSIGN_STORE: `sqlite:${join(data, 'countersign.sqlite')}`,
      COUNTERSIGN_BOOTSTRAP_CLIENT_ID: ADMIN.clientId,
      COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: ADMIN.clientSecret,
    },
  });
  t.teardown(async () => {
    await server.end('SIGTERM');
    await rm(data, { recursive: true, force: true });
  });
  const { path, cli } = await makeFolder(t, {
    COUNTERSIGN_URL: issuer,
    COUNTERSIGN_CLIENT_ID: ADMIN.clientId,
    COUNTERSIGN_CLIENT_SECRET: ADMIN.clientSecret,
  });
  return {
    api: createClient({ issuer, ...ADMIN }),
    clientWith: fetchIt => createClient({ issuer, ...ADMIN, fetch: fetchIt }),
    issuer,
    adminId: ADMIN.clientId,
    path,
    cli,
    cpuSeconds: async () => {
      const [, fields = ''] = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).split(') ');
      // proc_pid_stat(5): utime and stime, in hundredths.
      return (
        fields
          .split(' ')
          .slice(11, 13)
          .reduce((sum, ticks) => sum + Number(ticks), 0) / 100
      );
    },
    write: (file, text) => writeFile(join(path, file), text),
  };
}

export const ADA = 'kind: Person\nkey: ada\nname: Ada Owner\nemail: ada@example.com\n';

export const ORDERS = `kind: Resource
key: orders
identifier: https://orders.example.com/mcp
name: Orders
scopes:
  - { name: orders:read, sentence: See orders, risk: low }
  - { name: orders:refund, sentence: Give money back, risk: high }
`;

export const HELPER = `kind: Agent
key: order-helper
name: Order helper
purpose: Answers complaints
owner: ada
envelope:
  - { resource: orders, scopes: [orders:read, orders:refund] }
baseline:
  - { resource: https://orders.example.com/mcp/, scopes: [orders:read] }
credential: { method: client_secret }
`;

export const FLEET = [ADA, ORDERS, HELPER].join('---\n');
