import { hash } from 'node:crypto';
import Router from '@koa/router';
import type { JWK } from 'jose';
import type { Context } from 'koa';
import { ASSERTION_ALG_NAMES } from '../clients/index.ts';
import { CLIENT_AUTH_METHODS, GRANT_TYPES } from '../oauth.ts';

export interface MetadataDeps {
  readonly issuer: string;
  /** The public keys that verify our tokens now. The same object until they change. */
  readonly publicKeys: () => Promise<{ readonly keys: readonly JWK[] }>;
}

/** How long metadata may be kept: it changes with the configuration only. */
const METADATA_MAX_AGE_SECONDS = 3_600;
/** New keys are published this long before they are used, at least. */
const JWKS_MAX_AGE_SECONDS = 60;

/** The path of an issuer without its trailing slash: empty for an issuer at the root. */
export function issuerPath(issuer: string): string {
  const { pathname } = new URL(issuer);
  return pathname === '/' ? '' : pathname;
}

/**
 * Authorization server metadata (RFC 8414 section 2, OpenID Connect Discovery section 3): true of everything that is served
 * under the issuer, whichever half serves it.
 */
export function authorizationServerMetadata(issuer: string): Readonly<Record<string, unknown>> {
  const authMethods = {
    token_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALG_NAMES,
    introspection_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALG_NAMES,
    revocation_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALG_NAMES,
  };
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    pushed_authorization_request_endpoint: `${issuer}/par`,
    introspection_endpoint: `${issuer}/introspect`,
    revocation_endpoint: `${issuer}/revoke`,
    jwks_uri: `${issuer}/jwks`,
    grant_types_supported: [GRANT_TYPES.clientCredentials, GRANT_TYPES.authorizationCode],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    ...authMethods,
    service_documentation: `${issuer}/docs`,
  };
}

/**
 * Metadata and keys, as bytes prepared once. Anybody may read them from anywhere (CORS), and keep them for a while. A path
 * issuer has its documents where RFC 8414 section 3 and OpenID Connect Discovery section 4 look for them: between host and
 * path, and behind the path.
 */
export function metadataRoutes(deps: MetadataDeps): Router {
  const router = new Router({ sensitive: true, strict: true });
  const path = issuerPath(deps.issuer);
  const metadata = prepare(authorizationServerMetadata(deps.issuer));
  const locations = new Set([
    `/.well-known/oauth-authorization-server${path}`,
    `/.well-known/openid-configuration${path}`,
    `${path}/.well-known/oauth-authorization-server`,
    `${path}/.well-known/openid-configuration`,
  ]);
  for (const location of locations) {
    router.get(location, ctx => answer(ctx, metadata, METADATA_MAX_AGE_SECONDS));
  }

  let served: { readonly source: unknown; readonly document: Document } | undefined;
  router.get(`${path}/jwks`, async ctx => {
    const source = await deps.publicKeys();
    if (served?.source !== source) served = { source, document: prepare(source) };
    answer(ctx, served.document, JWKS_MAX_AGE_SECONDS);
  });
  return router;
}

interface Document {
  readonly body: Buffer;
  readonly etag: string;
}

function prepare(value: unknown): Document {
  const body = Buffer.from(JSON.stringify(value));
  return { body, etag: `"${hash('sha256', body, 'base64url')}"` };
}

function answer(ctx: Context, { body, etag }: Document, maxAgeSeconds: number): void {
  ctx.set({
    'Cache-Control': `public, max-age=${maxAgeSeconds}`,
    'Access-Control-Allow-Origin': '*',
    ETag: etag,
  });
  ctx.status = 200;
  ctx.type = 'application/json';
  if (ctx.fresh) ctx.status = 304;
  else ctx.body = body;
}
