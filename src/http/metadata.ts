import type { JWK } from 'jose';
import type { Middleware } from 'koa';
import type { AdmittedFeatures } from '../applications/index.ts';
import { ASSERTION_ALG_NAMES } from '../clients/index.ts';
import { DEFERRAL_METADATA } from '../elevation/index.ts';
import { ACR_VALUES, CLIENT_AUTH_METHODS, DEFERRED_GRANT_TYPE, GRANT_TYPES } from '../oauth.ts';
import { INTROSPECTION_SIGNING_ALG } from '../tokens/index.ts';
import type { FixedRoutes } from './app.ts';
import {
  answerDocumentPreflight,
  answerPrepared,
  type PreparedDocument,
  prepare,
} from './prepared-document.ts';

export interface MetadataDeps {
  readonly issuer: string;
  /** How applications may make themselves known now. */
  readonly features: () => Promise<AdmittedFeatures>;
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
export function authorizationServerMetadata(
  issuer: string,
  { metadataDocuments, selfRegistration }: AdmittedFeatures,
): Readonly<Record<string, unknown>> {
  const authMethods = {
    // Public clients are applications that people use: they get nothing by themselves.
    token_endpoint_auth_methods_supported: [...CLIENT_AUTH_METHODS, 'none'],
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALG_NAMES,
    introspection_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALG_NAMES,
    revocation_endpoint_auth_methods_supported: [...CLIENT_AUTH_METHODS, 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALG_NAMES,
  };
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    pushed_authorization_request_endpoint: `${issuer}/par`,
    introspection_endpoint: `${issuer}/introspect`,
    revocation_endpoint: `${issuer}/revoke`,
    ...(selfRegistration && { registration_endpoint: `${issuer}/register` }),
    jwks_uri: `${issuer}/jwks`,
    grant_types_supported: [...Object.values(GRANT_TYPES), DEFERRED_GRANT_TYPE],
    scopes_supported: ['offline_access'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: metadataDocuments,
    acr_values_supported: ACR_VALUES,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    ...authMethods,
    introspection_signing_alg_values_supported: [INTROSPECTION_SIGNING_ALG],
    dpop_signing_alg_values_supported: ASSERTION_ALG_NAMES,
    ...DEFERRAL_METADATA,
    service_documentation: `${issuer}/docs`,
  };
}

/**
 * Metadata and keys, as bytes prepared once. Anybody may read them from anywhere (CORS), and keep them for a while. A path
 * issuer has its documents where RFC 8414 section 3 and OpenID Connect Discovery section 4 look for them: between host and
 * path, and behind the path.
 */
export function metadataRoutes(deps: MetadataDeps): FixedRoutes {
  const path = issuerPath(deps.issuer);
  const metadata = new Map<string, PreparedDocument>();
  const locations = [
    `/.well-known/oauth-authorization-server${path}`,
    `/.well-known/openid-configuration${path}`,
    `${path}/.well-known/oauth-authorization-server`,
    `${path}/.well-known/openid-configuration`,
  ];
  const answerMetadata: Middleware = async ctx => {
    const features = await deps.features();
    const key = Object.values(features).join();
    const document =
      metadata.get(key) ??
      prepare(authorizationServerMetadata(deps.issuer, features), METADATA_MAX_AGE_SECONDS);
    metadata.set(key, document);
    answerPrepared(ctx, document);
  };

  let served: { readonly source: unknown; readonly document: PreparedDocument } | undefined;
  const answerKeys: Middleware = async ctx => {
    const source = await deps.publicKeys();
    if (served?.source !== source) served = { source, document: prepare(source, JWKS_MAX_AGE_SECONDS) };
    answerPrepared(ctx, served.document);
  };
  return new Map([
    ...locations.map(location => [location, readable(answerMetadata)] as const),
    [`${path}/jwks`, readable(answerKeys)],
  ]);
}

const readable = (answer: Middleware): ReadonlyMap<string, Middleware> =>
  new Map([
    ['GET', answer],
    ['HEAD', answer],
    ['OPTIONS', ctx => answerDocumentPreflight(ctx)],
  ]);
