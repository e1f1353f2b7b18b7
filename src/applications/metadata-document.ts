import { z } from 'zod';
import { MAX_REDIRECT_URIS, redirectUriInput } from '../agents/index.ts';
import { type ClientCredential, jwksUriInput, parseKeySet } from '../clients/index.ts';
import { isPlainHttps } from '../egress/index.ts';
import { hasPollutingKey, listOf, parseUniqueJson, plainText } from '../input/index.ts';

/** What a document says that is anything to us. */
export interface PublishedMetadata {
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly credential: ClientCredential;
}

/**
 * What is wrong with a document:
 *
 * - `document-malformed`: not JSON, or without what it must have
 * - `document-of-another-client`: its `client_id` is not the URL that it was fetched from, byte for byte
 * - `document-has-secret`: it holds a shared secret, or says that it proves itself with one
 * - `document-redirect-uri-not-permitted`: a browser cannot be sent there safely
 * - `document-grant-not-served`: it does without the authorization code grant
 * - `document-keys-not-fit`: it proves itself with keys and has none that will do
 */
export type DocumentProblem =
  | 'document-malformed'
  | 'document-of-another-client'
  | 'document-has-secret'
  | 'document-redirect-uri-not-permitted'
  | 'document-grant-not-served'
  | 'document-keys-not-fit';

const MAX_URL_CHARACTERS = 500;

/**
 * Whether a client identifier is the address of a Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document-02
 * section 3): https, with a path, and spelt in the one way in which a URL parser spells it, so that there are no dot segments, no
 * fragment, no user information, and no two identifiers for one document.
 */
export function isMetadataUrl(clientId: string): boolean {
  if (clientId.length > MAX_URL_CHARACTERS || !URL.canParse(clientId)) return false;
  const url = new URL(clientId);
  return url.href === clientId && isPlainHttps(url) && url.pathname !== '/' && !/%2e/i.test(url.pathname);
}

const document = z.object({
  client_id: z.string(),
  client_name: plainText(100),
  redirect_uris: z.array(z.unknown()).min(1),
  token_endpoint_auth_method: z.string().default('none'),
  grant_types: z.array(z.string()).optional(),
  response_types: z.array(z.string()).optional(),
  jwks: z.unknown().optional(),
  jwks_uri: z.unknown().optional(),
});

const redirectUris = listOf(redirectUriInput, { least: 1, most: MAX_REDIRECT_URIS });

/**
 * Reads a document (section 4). What it says of scopes is not looked at: a first challenge ends up there, and would be a ceiling for
 * every later request.
 *
 * @param url where it was fetched from
 */
export function readMetadataDocument(url: string, body: Uint8Array): PublishedMetadata | DocumentProblem {
  const json = parse(body);
  const members = document.safeParse(json).data;
  if (!members || typeof json !== 'object' || json === null) return 'document-malformed';
  if (members.client_id !== url) return 'document-of-another-client';
  if ('client_secret' in json || 'client_secret_expires_at' in json) return 'document-has-secret';
  if (!serves(members.grant_types, 'authorization_code') || !serves(members.response_types, 'code'))
    return 'document-grant-not-served';
  const uris = redirectUris.safeParse(members.redirect_uris).data;
  if (!uris) return 'document-redirect-uri-not-permitted';
  const about = { name: members.client_name, redirectUris: uris };
  switch (members.token_endpoint_auth_method) {
    case 'none':
      return { ...about, credential: { method: 'none' } };
    case 'private_key_jwt': {
      const credential = readKeys(members);
      return credential ? { ...about, credential } : 'document-keys-not-fit';
    }
    default:
      return 'document-has-secret';
  }
}

function readKeys({ jwks, jwks_uri: uri }: z.output<typeof document>): ClientCredential | undefined {
  if ((jwks === undefined) === (uri === undefined)) return undefined;
  if (uri !== undefined) {
    const jwksUri = jwksUriInput.safeParse(uri).data;
    return jwksUri === undefined ? undefined : { method: 'private_key_jwt', jwksUri };
  }
  const { keys, problem } = parseKeySet(Buffer.from(JSON.stringify(jwks)));
  return keys && problem === undefined && keys.length > 0 ? { method: 'private_key_jwt', keys } : undefined;
}

/** What is not said is served by everybody (RFC 7591 section 2). */
function serves(listed: readonly string[] | undefined, wanted: string): boolean {
  return listed === undefined || listed.includes(wanted);
}

function parse(body: Uint8Array): unknown {
  try {
    const value: unknown = parseUniqueJson(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return hasPollutingKey(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
