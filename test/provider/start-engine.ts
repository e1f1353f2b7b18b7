/** The engine behind the shell, with clients that people walk through: there are none of those in the store yet. */

import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { pino } from 'pino';
import { type Client, digestSecret, PublishedKeys } from '../../src/clients/index.ts';
import { certainMoment, ServerClock } from '../../src/clock.ts';
import { Egress } from '../../src/egress/index.ts';
import { createHandler } from '../../src/http/app.ts';
import { ERROR_CATALOGUE } from '../../src/http/error-catalogue.ts';
import { engineReferences } from '../../src/http/error-reference.ts';
import { listen } from '../../src/http/listen.ts';
import { newId } from '../../src/ids.ts';
import { ConnectionFigures, RequestMeter } from '../../src/observability/index.ts';
import { createEngine } from '../../src/provider/index.ts';
import { ErrorReferences } from '../../src/refusals/index.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Answer } from '../support/start-app.ts';

export const REDIRECT_URI = 'https://client.example/callback';
export const RESOURCE = 'https://mcp.example/mcp';
export const SECRET = 's'.repeat(43);

export interface EngineApp {
  readonly issuer: string;
  readonly secretClient: string;
  readonly keyClient: string;
  /** Sends a request as it arrives behind a proxy: over a plain socket, with the issuer's host. */
  send(
    method: string,
    path: string,
    options?: { headers?: Record<string, string>; form?: Record<string, string> },
  ): Promise<Answer>;
  assertion(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

/** @param issuer its host need not lead here */
export async function startEngine(t: ExecutionContext, issuer = 'http://localhost'): Promise<EngineApp> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-engine-'));
  const store = await openSqliteStore(join(directory, 'store.sqlite'), {
    now: Date.now,
    lane: newId('lane', Date.now()),
  });
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const clients = await makeClients(publicKey);
  const docsUrl = `${issuer}/docs/errors`;
  const references = new ErrorReferences(createSecretKey(Buffer.alloc(32, 1)), [], ERROR_CATALOGUE.keys());
  const engine = createEngine({
    issuer: new URL(issuer),
    assertionLifetimeSeconds: 300,
    refer: engineReferences(references, docsUrl),
    records: store,
    clients: {
      findClient: async clientId => clients.find(client => client.clientId === clientId),
    },
    publishedKeys: new PublishedKeys({
      egress: new Egress({ allowedHosts: [], allowedNetworks: [] }),
      refusals: { note: async () => undefined },
    }),
    freshness: store,
    moment: () => certainMoment(Date.now()),
    findGrantable: async (_clientId, resource) =>
      resource === RESOURCE ? { audience: RESOURCE, scopes: ['read'], ttlSeconds: 300 } : undefined,
    findDefaultResource: async () => undefined,
    isActivePerson: async () => false,
    currentSession: async () => undefined,
    isGrantAlive: async () => false,
    isVerified: () => true,
    refusals: { note: async () => undefined, take: () => [] },
    limits: { noteFailure: async () => undefined, takeUnknownToken: () => undefined },
    issue: () => Promise.reject(new Error('nobody can sign in here')),
    endGrant: async () => undefined,
    cookieKeys: ['a key of the tests'],
    signingKey: {
      ...(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) as {
        kty: string;
      }),
      alg: 'ES256',
      use: 'sig',
    },
  });
  const handler = createHandler(
    engine,
    {
      issuer: new URL(issuer),
      furtherHosts: [],
      clock: new ServerClock(),
      log: pino({ level: 'silent' }),
      addressOf: () => '127.0.0.1',
      quarantineGate: () => undefined,
      isStopping: () => false,
      docsUrl,
      references,
      limits: { takeRequest: () => undefined },
      meter: new RequestMeter(new URL(issuer).pathname.replace(/\/$/, '')),
    },
    new Map(),
    [],
  );
  const server = await listen(handler, {
    host: '127.0.0.1',
    port: 0,
    maxConnections: 64,
    figures: new ConnectionFigures(),
  });
  t.teardown(async () => {
    await server.stop(0);
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  const [secretClient = '', keyClient = ''] = clients.map(client => client.clientId);
  let assertions = 0;
  return {
    issuer,
    secretClient,
    keyClient,
    send: (method, path, options) => send(server.port, new URL(issuer).host, method, path, options),
    assertion: (claims, header) => {
      assertions += 1;
      const now = Math.floor(Date.now() / 1000);
      const payload = {
        iss: keyClient,
        sub: keyClient,
        aud: issuer,
        jti: `jti-${assertions}`,
        iat: now,
        exp: now + 60,
      };
      return new SignJWT({ ...payload, ...claims })
        .setProtectedHeader({ alg: 'ES256', ...header })
        .sign(privateKey);
    },
  };
}

async function makeClients(publicKey: CryptoKey): Promise<readonly Client[]> {
  const base = { kind: 'agent', enabled: true, redirectUris: [REDIRECT_URI] } as const;
  const [first, second] = [newId('agt', 1), newId('agt', 2)];
  const keys = [{ ...(await exportJWK(publicKey)), alg: 'ES256' }];
  return [
    {
      ...base,
      clientId: first,
      principalId: first,
      handle: `${first}:0`,
      credential: { method: 'client_secret', secretDigests: [digestSecret(SECRET)] },
    },
    {
      ...base,
      clientId: second,
      principalId: second,
      handle: `${second}:0`,
      credential: { method: 'private_key_jwt', keys },
    },
  ];
}

function send(
  port: number,
  host: string,
  method: string,
  path: string,
  { headers, form }: { headers?: Record<string, string>; form?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: {
          Host: host,
          ...(form && { 'Content-Type': 'application/x-www-form-urlencoded' }),
          ...headers,
        },
      },
      response => {
        let text = '';
        response.setEncoding('utf8').on('data', chunk => {
          text += chunk;
        });
        response.on('end', () => {
          const received = new Headers();
          for (const [name, value] of Object.entries(response.headersDistinct)) {
            for (const each of value ?? []) received.append(name, each);
          }
          let json: unknown;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          resolve({ status: response.statusCode ?? 0, headers: received, text, json });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(form && new URLSearchParams(form).toString());
  });
}
