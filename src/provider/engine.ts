import type { JWK } from 'jose';
import type Koa from 'koa';
import { type Configuration, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Origin } from '../audit/index.ts';
import type { ClientDirectory } from '../clients/index.ts';
import type { Clock } from '../clock.ts';
import { CLIENT_AUTH_METHODS, GRANT_TYPES } from '../oauth.ts';
import { adapterFactory } from './adapter.ts';
import { clientSource, SECRET_DIGESTS } from './client-metadata.ts';
import { assertionCheck, useOurClientProofs } from './client-proof.ts';
import type { EngineStore } from './engine-store.ts';
import { engineEntry } from './entry.ts';
import { PAGE_HEADERS, renderNotice } from './page.ts';

/** The grants that are answered here. */
export const ENGINE_GRANT_TYPES: readonly string[] = [GRANT_TYPES.authorizationCode];

/** What a client may ask of a resource server through the browser. */
export interface GrantableResource {
  /** The canonical resource identifier: the audience of the token. */
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly ttlSeconds: number;
}

export interface EngineDeps {
  readonly issuer: URL;
  readonly records: EngineStore;
  readonly clients: ClientDirectory;
  readonly freshness: { fresh(): Promise<void> };
  readonly now: Clock;
  /** Finds what a client may ask for at a resource server: within its envelope, never more (I2). */
  findGrantable(clientId: string, resource: string): Promise<GrantableResource | undefined>;
  /** Signs cookies; the same in all processes. */
  readonly cookieKey: string;
  /**
   * A private key that the engine would sign ID tokens with. It insists on one; nobody can sign in yet, so nothing is signed, and
   * the key is not published.
   */
  readonly signingKey: JWK;
}

export interface Engine {
  /** The root application: middleware added to it runs before the engine. */
  readonly root: Koa;
  /** The way in: to be added last. */
  readonly entry: Koa.Middleware;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/**
 * Creates the engine: authorization code with PKCE (S256) and pushed authorization requests, and nothing else. Whatever it would
 * do by default and we do not mean is switched off by name.
 */
export function createEngine(deps: EngineDeps): Engine {
  const issuer = deps.issuer.href.replace(/\/$/, '');
  const provider = new Provider(issuer, configuration(deps, issuer));
  useOurClientProofs(provider, issuer);
  provider.silent = true;
  // Koa keeps a request prototype for each application: scheme and host are those of the issuer, whatever a request says (I14).
  Object.defineProperties(provider.request, {
    protocol: { get: () => deps.issuer.protocol.slice(0, -1) },
    host: { get: () => deps.issuer.host },
  });
  return { root: provider, entry: engineEntry(deps.issuer) };
}

function configuration(deps: EngineDeps, issuer: string): Configuration {
  const isSecure = deps.issuer.protocol === 'https:';
  const cookiePrefix = isSecure ? '__Secure-' : '';
  const path = deps.issuer.pathname === '/' ? '' : deps.issuer.pathname;
  return {
    adapter: adapterFactory({
      records: deps.records,
      clients: clientSource({ clients: deps.clients, freshness: deps.freshness, now: deps.now }),
      now: deps.now,
    }),
    jwks: { keys: [deps.signingKey as never] },
    responseTypes: ['code'],
    pkce: { required: () => true },
    scopes: [],
    claims: {},
    clockTolerance: 0,
    clientBasedCORS: () => false,
    clientAuthMethods: [...CLIENT_AUTH_METHODS],
    enabledJWA: {
      clientAuthSigningAlgValues: ['ES256', 'EdDSA', 'Ed25519', 'PS256'],
      idTokenSigningAlgValues: ['ES256'],
    },
    clientDefaults: {
      id_token_signed_response_alg: 'ES256',
      response_types: ['code'],
      grant_types: ['authorization_code'],
    },
    extraClientMetadata: { properties: [SECRET_DIGESTS] },
    assertJwtClientAuthClaimsAndHeader: assertionCheck({
      clients: deps.clients,
      records: deps.records,
      issuer,
      now: deps.now,
    }),
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      clientCredentials: { enabled: false },
      introspection: { enabled: false },
      revocation: { enabled: false },
      registration: { enabled: false },
      pushedAuthorizationRequests: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: async (_ctx, resource, client) => {
          const grantable = await deps.findGrantable(client.clientId, resource);
          if (!grantable) throw new errors.InvalidTarget();
          return {
            scope: grantable.scopes.join(' '),
            audience: grantable.audience,
            accessTokenTTL: grantable.ttlSeconds,
            accessTokenFormat: 'opaque',
          };
        },
        useGrantedResource: () => true,
      },
    },
    routes: {
      authorization: '/authorize',
      token: '/token',
      pushed_authorization_request: '/par',
      jwks: '/jwks',
    },
    cookies: {
      keys: [deps.cookieKey],
      names: {
        session: `${cookiePrefix}session`,
        interaction: `${cookiePrefix}interaction`,
        resume: `${cookiePrefix}resume`,
      },
      long: { httpOnly: true, sameSite: 'lax', secure: isSecure, signed: true },
      short: { httpOnly: true, sameSite: 'lax', secure: isSecure, signed: true },
    },
    ttl: {
      AccessToken: 5 * MINUTE,
      AuthorizationCode: MINUTE,
      Grant: 12 * HOUR,
      IdToken: 5 * MINUTE,
      Interaction: 10 * MINUTE,
      PushedAuthorizationRequest: MINUTE,
      Session: 12 * HOUR,
    },
    interactions: { url: (_ctx, interaction) => `${path}/interaction/${interaction.uid}` },
    // Nobody has an account that could be signed in to yet.
    findAccount: async () => undefined,
    renderError,
  };
}

/** A request that cannot be answered by a redirect, such as one with a foreign redirect URI, ends at a page (RFC 6749 section 4.1.2.1). */
function renderError(
  ctx: KoaContextWithOIDC,
  out: { error: string; error_description?: string | undefined },
): void {
  ctx.set(PAGE_HEADERS);
  ctx.type = 'html';
  ctx.body = renderNotice({
    title: 'This request cannot be answered',
    text: `${out.error}: ${out.error_description ?? 'no more is known'}`,
    reference: (ctx.state['origin'] as Origin).requestId,
  });
}
