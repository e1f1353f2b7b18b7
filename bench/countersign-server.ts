/** Countersign as it is started for real use: durable, audited, logging, its store a SQLite file on a disk. */
import { newOrigin } from '../src/origin.ts';
import '../src/process/heap-settings.ts';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createAgent } from '../src/agents/index.ts';
import { certainMoment } from '../src/clock.ts';
import { loadConfig } from '../src/config/index.ts';
import { newId } from '../src/ids.ts';
import { createPerson } from '../src/people/index.ts';
import { type Running, startServer } from '../src/process/start.ts';
import { createResource } from '../src/resources/index.ts';
import { serve } from './serve.ts';
import {
  type BasicCredentials,
  JWT_RESOURCE,
  OPAQUE_RESOURCE,
  SCOPE,
  type StartOrder,
  type Target,
  TOKEN_TTL_SECONDS,
} from './servers.ts';

serve(async ({ directory, clientKey, crowd, spares }) => {
  const admin = { id: newId('agt', Date.now()), secret: randomBytes(32).toString('base64url') };
  const running = await startServer(
    loadConfig({
      COUNTERSIGN_PORT: '0',
      COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
      COUNTERSIGN_DATA_DIR: directory,
      COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: String(TOKEN_TTL_SECONDS),
      COUNTERSIGN_LOG_LEVEL: 'info',
      COUNTERSIGN_BOOTSTRAP_CLIENT_ID: admin.id,
      COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: admin.secret,
    }),
  );
  const target: Target = {
    issuer: running.issuer,
    port: running.port,
    paths: {
      token: '/token',
      introspection: '/introspect',
      revocation: '/revoke',
      discovery: '/.well-known/oauth-authorization-server',
      jwks: '/jwks',
    },
    ...(await register(running, { clientKey, crowd, spares }, admin)),
  };
  return { target, stop: () => running.stop() };
});

/** Registers everybody by the functions that the admin API calls. */
async function register(
  { store, issuer }: Running,
  order: Omit<StartOrder, 'directory'>,
  admin: BasicCredentials,
): Promise<Pick<Target, 'secretClient' | 'keyClientId' | 'resourceServer' | 'crowd' | 'spares'>> {
  const deps = { agents: store, people: store, resources: store, freshness: store };
  const origin = { ...newOrigin(certainMoment(Date.now())), authority: { none: 'host-command' } } as const;
  const { person } = await createPerson(deps, { name: 'Owner', roles: ['member'] }, origin);
  const resource = (identifier: string, tokenFormat: object) =>
    createResource(
      deps,
      {
        identifier,
        name: identifier,
        scopes: [{ name: SCOPE, sentence: 'Read orders', risk: 'low' }],
        tokenFormat,
        accessTokenTtlSeconds: TOKEN_TTL_SECONDS,
      },
      origin,
    );
  const opaque = await resource(OPAQUE_RESOURCE, { kind: 'opaque' });
  await resource(JWT_RESOURCE, { kind: 'jwt', alg: 'ES256' });
  const scopes = [OPAQUE_RESOURCE, JWT_RESOURCE].map(identifier => ({
    resource: identifier,
    scopes: [SCOPE],
  }));
  const agent = (name: string, credential: object) =>
    createAgent(deps, { name, ownerId: person.id, envelope: scopes, baseline: scopes, credential }, origin);
  const bySecret = await agent('By secret', { method: 'client_secret' });
  const byKey = await agent('By key', { method: 'private_key_jwt', keys: [order.clientKey] });
  const crowd = await Promise.all(
    Array.from({ length: order.crowd }, (_, index) => agent(`Crowd ${index}`, { method: 'client_secret' })),
  );
  const spares = await Promise.all(
    Array.from({ length: order.spares }, (_, index) => agent(`Spare ${index}`, { method: 'client_secret' })),
  );
  return {
    crowd: crowd.map(each => credentials(each.agent.id, each.secret)),
    spares: {
      token: await adminToken(issuer, admin),
      killUrls: spares.map(each => `${issuer}/api/v1/agents/${each.agent.id}/kill`),
    },
    secretClient: credentials(bySecret.agent.id, bySecret.secret),
    keyClientId: byKey.agent.id,
    resourceServer: credentials(opaque.resource.id, opaque.secret),
  };
}

/** A token of the administrator's that allows killing. */
async function adminToken(issuer: string, { id, secret }: BasicCredentials): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      resource: `${issuer}/api`,
      scope: 'kill',
    }),
  });
  const { access_token } = (await response.json()) as { readonly access_token: string };
  return access_token;
}

function credentials(id: string, secret: string | undefined): BasicCredentials {
  if (secret === undefined) throw new Error(`${id} was registered without a secret`);
  return { id, secret };
}
