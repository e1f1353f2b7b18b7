/**
 * Bare oidc-provider, set up for its best: static clients, tokens in a Map of this process, no logs, no audit, nothing durable,
 * and only the features that the works need. Its own in-memory adapter is an LRU of 1,000 entries, which forgets live tokens; the
 * one here does less for each token and forgets none.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Adapter, type AdapterPayload, type Configuration } from 'oidc-provider';
import { serve } from './serve.ts';
import {
  type BasicCredentials,
  JWT_RESOURCE,
  SCOPE,
  type StartOrder,
  type Target,
  TOKEN_TTL_SECONDS,
} from './servers.ts';

const KEY_CLIENT_ID = 'by-key';
const SECRET_CLIENT: BasicCredentials = { id: 'by-secret', secret: 'a'.repeat(43) };
const RESOURCE_SERVER: BasicCredentials = { id: 'resource-server', secret: 'b'.repeat(43) };

/** Clients that have been registered while the server runs: oidc-provider asks its adapter for them. */
const registered = new Map<string, AdapterPayload>();

serve(async ({ clientKey, crowd }) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = `http://localhost:${port}`;
  server.on('request', new Provider(issuer, configuration(clientKey)).callback());
  const target: Target = {
    issuer,
    port,
    paths: {
      token: '/token',
      introspection: '/token/introspection',
      revocation: '/token/revocation',
      discovery: '/.well-known/openid-configuration',
      jwks: '/jwks',
    },
    secretClient: SECRET_CLIENT,
    keyClientId: KEY_CLIENT_ID,
    resourceServer: RESOURCE_SERVER,
    crowd: registerCrowd(crowd),
  };
  return {
    target,
    stop: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
});

const CLIENT_CREDENTIALS_ONLY = {
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
};

function configuration(clientKey: StartOrder['clientKey']): Configuration {
  const client = CLIENT_CREDENTIALS_ONLY;
  return {
    adapter: name => (name === 'Client' ? new MapAdapter(registered) : new MapAdapter(new Map())),
    jwks: { keys: [signingKey()] },
    clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
    clients: [
      {
        ...client,
        client_id: SECRET_CLIENT.id,
        client_secret: SECRET_CLIENT.secret,
        token_endpoint_auth_method: 'client_secret_basic',
      },
      {
        ...client,
        client_id: KEY_CLIENT_ID,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...clientKey, alg: 'ES256', use: 'sig' }] },
      },
      {
        ...client,
        grant_types: [],
        client_id: RESOURCE_SERVER.id,
        client_secret: RESOURCE_SERVER.secret,
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    // All that the signing key can do; the default, RS256, has no key here.
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      // Whoever has authenticated may ask: less than a server in real use checks.
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) =>
          resource === JWT_RESOURCE
            ? {
                scope: SCOPE,
                audience: resource,
                accessTokenTTL: TOKEN_TTL_SECONDS,
                accessTokenFormat: 'jwt',
                jwt: { sign: { alg: 'ES256' } },
              }
            : {
                scope: SCOPE,
                audience: resource,
                accessTokenTTL: TOKEN_TTL_SECONDS,
                accessTokenFormat: 'opaque',
              },
      },
    },
    ttl: { ClientCredentials: TOKEN_TTL_SECONDS },
  };
}

function registerCrowd(count: number): BasicCredentials[] {
  return Array.from({ length: count }, (_, index) => {
    const credentials = { id: `crowd-${index}`, secret: randomBytes(32).toString('base64url') };
    registered.set(credentials.id, {
      ...CLIENT_CREDENTIALS_ONLY,
      client_id: credentials.id,
      client_secret: credentials.secret,
      token_endpoint_auth_method: 'client_secret_basic',
    });
    return credentials;
  });
}

function signingKey(): Record<string, unknown> & { kty: 'EC' } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kty: 'EC', kid: 'signing', use: 'sig', alg: 'ES256' };
}

/** What oidc-provider stores, by kind and identifier. Nothing is looked up in any other way by these works. */
class MapAdapter implements Adapter {
  readonly #payloads: Map<string, AdapterPayload>;

  constructor(payloads: Map<string, AdapterPayload>) {
    this.#payloads = payloads;
  }

  async upsert(id: string, payload: AdapterPayload): Promise<undefined> {
    this.#payloads.set(id, payload);
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#payloads.get(id);
  }

  async destroy(id: string): Promise<undefined> {
    this.#payloads.delete(id);
  }

  async consume(id: string): Promise<undefined> {
    const payload = this.#payloads.get(id);
    if (payload) payload.consumed = Math.floor(Date.now() / 1000);
  }

  findByUid = notNeeded;
  findByUserCode = notNeeded;
  revokeByGrantId = notNeeded;
}

async function notNeeded(): Promise<never> {
  throw new Error('no grant of these works leads here');
}
