/** A server, and a folder of files beside it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type AdminClient, createClient } from '../../src/client/index.ts';
import { type Folder, makeFolder } from '../cli/run-cli.ts';
import { startApp } from '../support/start-app.ts';

export interface AsCodeServer extends Folder {
  readonly api: AdminClient;
  /** The same with another way to make requests. */
  clientWith(fetchIt: typeof fetch): AdminClient;
  readonly issuer: string;
  readonly adminId: string;
  /** Writes a file into the folder in which the command line runs. */
  write(file: string, text: string): Promise<void>;
}

export async function startAsCodeServer(t: ExecutionContext): Promise<AsCodeServer> {
  const { issuer, admin } = await startApp(t);
  const { clientId, secret: clientSecret } = admin;
  const folder = await makeFolder(t, {
    COUNTERSIGN_URL: issuer,
    COUNTERSIGN_CLIENT_ID: clientId,
    COUNTERSIGN_CLIENT_SECRET: clientSecret,
  });
  return {
    api: createClient({ issuer, clientId, clientSecret }),
    clientWith: fetchIt => createClient({ issuer, clientId, clientSecret, fetch: fetchIt }),
    issuer,
    adminId: clientId,
    ...folder,
    write: (file, text) => writeFile(join(folder.path, file), text),
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
