import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from '../config/tls-pair.ts';

/** A host that publishes keys over https, and does to whoever asks what the test says. */
export interface KeyHost {
  readonly uri: string;
  /** The settings with which a server may fetch from it. */
  readonly env: Readonly<Record<string, string>>;
  /** How often it was asked. */
  readonly asked: () => number;
  /** What it answers from now on: a document, a status, or nothing for as long as the request lasts. */
  answer: KeyHostAnswer;
}

export type KeyHostAnswer =
  | { readonly document: unknown; readonly headers?: Readonly<Record<string, string>> }
  | { readonly status: number }
  | 'silence';

export async function startKeyHost(t: ExecutionContext, answer: KeyHostAnswer): Promise<KeyHost> {
  let asked = 0;
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer({ cert: TLS_CERTIFICATE, key: TLS_PRIVATE_KEY }, (_request, response) => {
    asked += 1;
    const { answer: now } = host;
    if (now === 'silence') return;
    if ('status' in now) {
      response.writeHead(now.status).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'application/jwk-set+json', ...now.headers });
    response.end(typeof now.document === 'string' ? now.document : JSON.stringify(now.document));
  });
  server.on('connection', socket => sockets.add(socket));
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  const directory = await mkdtemp(join(tmpdir(), 'countersign-ca-'));
  const caFile = join(directory, 'ca.pem');
  writeFileSync(caFile, TLS_CERTIFICATE);
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  const host: KeyHost = {
    uri: `https://localhost:${(server.address() as AddressInfo).port}/jwks`,
    env: { COUNTERSIGN_EGRESS_ALLOW: 'localhost', COUNTERSIGN_EGRESS_CA_FILE: caFile },
    asked: () => asked,
    answer,
  };
  return host;
}
