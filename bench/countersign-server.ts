/** Countersign as it is started for real use: durable, audited, logging, its store a SQLite file on a disk. */
import { join } from 'node:path';
import { createAgent } from '../src/agents/index.ts';
import { loadConfig } from '../src/config/index.ts';
import { newId } from '../src/ids.ts';
import { createPerson } from '../src/people/index.ts';
import { createResource } from '../src/resources/index.ts';
import { startServer } from '../src/start.ts';
import type { Store } from '../src/store/store.ts';
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

serve(async ({ directory, clientKey }) => {
  const running = await startServer(
    loadConfig({
      COUNTERSIGN_PORT: '0',
      COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
      COUNTERSIGN_DATA_DIR: directory,
      COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: String(TOKEN_TTL_SECONDS),
      COUNTERSIGN_LOG_LEVEL: 'info',
    }),
  );
  const target: Target = {
    issuer: running.issuer,
    port: running.port,
    paths: { token: '/token', introspection: '/introspect', revocation: '/revoke' },
    ...(await register(running.store, clientKey)),
  };
  return { target, stop: () => running.stop() };
});

/** Registers everybody by the functions that the admin API calls. */
async function register(
  store: Store,
  clientKey: StartOrder['clientKey'],
): Promise<Pick<Target, 'secretClient' | 'keyClientId' | 'resourceServer'>> {
  const deps = { agents: store, people: store, resources: store, freshness: store };
  const now = Date.now();
  const origin = { requestId: newId('req', now), now };
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
  const byKey = await agent('By key', { method: 'private_key_jwt', keys: [clientKey] });
  return {
    secretClient: credentials(bySecret.agent.id, bySecret.secret),
    keyClientId: byKey.agent.id,
    resourceServer: credentials(opaque.resource.id, opaque.secret),
  };
}

function credentials(id: string, secret: string | undefined): BasicCredentials {
  if (secret === undefined) throw new Error(`${id} was registered without a secret`);
  return { id, secret };
}
