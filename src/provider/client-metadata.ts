import { randomBytes } from 'node:crypto';
import type { JWK } from 'jose';
import type { ClientMetadata } from 'oidc-provider';
import type { Origin } from '../audit/index.ts';
import type { Client, PublishedKeys } from '../clients/index.ts';

/** Clients as the engine wants them described. */
export interface ClientSource {
  /** @returns undefined for a client that is unknown or may not act now: nobody is told which */
  findMetadata(clientId: string, asked: ClientLookup): Promise<ClientMetadata | undefined>;
}

/** In which request a client is looked for. */
export interface ClientLookup {
  readonly origin: Origin;
  /** Whether a browser has come with it: then its Client ID Metadata Document may be fetched, and at no other time (I13). */
  readonly mayFetch: boolean;
}

/** Finds the clients that people can meet, and resource servers. */
export interface EngineClients {
  findClient(clientId: string, asked: ClientLookup): Promise<Client | undefined>;
}

export interface ClientSourceDeps {
  readonly clients: EngineClients;
  readonly publishedKeys: PublishedKeys;
  readonly freshness: { fresh(): Promise<void> };
}

/** Where the engine finds the digests of a client's secrets, among metadata that it does not know. */
export const SECRET_DIGESTS = 'secret_digests';

/** Whether it gets a refresh token without asking for one, among metadata that the engine does not know. */
export const REFRESH_TOKENS = 'refresh_tokens';

/** What a client lives by, as it was read when the request came, among metadata that the engine does not know. */
export const CLIENT_HANDLE = 'client_handle';

/**
 * The engine wants a secret where one is used, and ours are stored as digests only. This one is compared with nothing
 * (`client-proof.ts`), known to nobody, and gone with the process.
 */
const UNUSED_SECRET = randomBytes(32).toString('base64url');

/** Agents and resource servers, read for each request, so that a killed one is gone at once. */
export function clientSource({ clients, publishedKeys, freshness }: ClientSourceDeps): ClientSource {
  return {
    async findMetadata(clientId, asked) {
      await freshness.fresh();
      const client = await clients.findClient(clientId, asked);
      if (!client?.enabled) return undefined;
      return toMetadata(client, await publishedKeys.keysOf(client, asked.origin));
    },
  };
}

/** @param publicKeys keys in hand: the engine never fetches any itself */
function toMetadata(
  { clientId, handle, credential, redirectUris = [], refreshTokens }: Client,
  publicKeys: readonly JWK[],
): ClientMetadata {
  const walks = redirectUris.length > 0;
  return {
    client_id: clientId,
    [CLIENT_HANDLE]: handle,
    ...(refreshTokens !== undefined && { [REFRESH_TOKENS]: refreshTokens }),
    redirect_uris: [...redirectUris],
    // A client that nobody walks through has no grant here: what agents ask for themselves is answered elsewhere.
    grant_types: walks ? ['authorization_code', 'refresh_token'] : [],
    response_types: walks ? ['code'] : [],
    // Loopback addresses, whose port may be any (RFC 8252 section 7.3), and schemes of their own are for native applications.
    application_type: redirectUris.every(uri => uri.startsWith('https:')) ? 'web' : 'native',
    ...(credential.method === 'none'
      ? { token_endpoint_auth_method: 'none' }
      : credential.method === 'client_secret'
        ? {
            token_endpoint_auth_method: 'client_secret_basic',
            client_secret: UNUSED_SECRET,
            [SECRET_DIGESTS]: credential.secretDigests,
          }
        : {
            token_endpoint_auth_method: 'private_key_jwt',
            // Without `alg`: one algorithm has two names, and which a key is for is checked by our own verification.
            jwks: { keys: publicKeys.map(({ alg: _alg, ...key }) => ({ ...key, kty: String(key.kty) })) },
          }),
  };
}
