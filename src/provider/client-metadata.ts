import { randomBytes } from 'node:crypto';
import type { ClientMetadata } from 'oidc-provider';
import type { Client, ClientDirectory } from '../clients/index.ts';
import type { Clock } from '../clock.ts';

/** Clients as the engine wants them described. */
export interface ClientSource {
  /** @returns undefined for a client that is unknown or may not act now: nobody is told which */
  findMetadata(clientId: string): Promise<ClientMetadata | undefined>;
}

export interface ClientSourceDeps {
  readonly clients: ClientDirectory;
  readonly freshness: { fresh(): Promise<void> };
  readonly now: Clock;
}

/** Where the engine finds the digests of a client's secrets, among metadata that it does not know. */
export const SECRET_DIGESTS = 'secret_digests';

/**
 * The engine wants a secret where one is used, and ours are stored as digests only. This one is compared with nothing
 * (`client-proof.ts`), known to nobody, and gone with the process.
 */
const UNUSED_SECRET = randomBytes(32).toString('base64url');

/** Agents and resource servers, read for each request, so that a killed one is gone at once. */
export function clientSource({ clients, freshness, now }: ClientSourceDeps): ClientSource {
  return {
    async findMetadata(clientId) {
      await freshness.fresh();
      const client = await clients.findClient(clientId, now());
      return client?.enabled ? toMetadata(client) : undefined;
    },
  };
}

function toMetadata({ clientId, credential, redirectUris = [] }: Client): ClientMetadata {
  const walks = redirectUris.length > 0;
  return {
    client_id: clientId,
    redirect_uris: [...redirectUris],
    // A client that nobody walks through has no grant here: what agents ask for themselves is answered elsewhere.
    grant_types: walks ? ['authorization_code'] : [],
    response_types: walks ? ['code'] : [],
    ...(credential.method === 'client_secret'
      ? {
          token_endpoint_auth_method: 'client_secret_basic',
          client_secret: UNUSED_SECRET,
          [SECRET_DIGESTS]: credential.secretDigests,
        }
      : {
          token_endpoint_auth_method: 'private_key_jwt',
          // Without `alg`: one algorithm has two names, and which a key is for is checked by our own verification.
          jwks: { keys: credential.keys.map(({ alg: _alg, ...key }) => ({ ...key, kty: String(key.kty) })) },
        }),
  };
}
