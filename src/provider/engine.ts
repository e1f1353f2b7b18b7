import type { JWK } from 'jose';
import type Koa from 'koa';
import {
  type Configuration,
  errors,
  interactionPolicy,
  type KoaContextWithOIDC,
  Provider,
} from 'oidc-provider';
import type { Origin } from '../audit/index.ts';
import type { PublishedKeys } from '../clients/index.ts';
import { CLIENT_AUTH_METHODS, GRANT_TYPES } from '../oauth.ts';
import { withoutSecrets } from '../text/index.ts';
import { type EngineToken, type EngineTokenRequest, useOurAccessTokens } from './access-token.ts';
import { giveCodesIn } from './acting-authority.ts';
import { adapterFactory, endHeldGrant, findRefreshToken, type GrantEnd } from './adapter.ts';
import { addNeedsChecks, NEEDS_PARAMETERS, type NeedsDeps } from './authentication-needs.ts';
import {
  CLIENT_HANDLE,
  clientSource,
  type EngineClients,
  REFRESH_TOKENS,
  SECRET_DIGESTS,
} from './client-metadata.ts';
import { assertionCheck, useOurClientProofs } from './client-proof.ts';
import type { EngineStore } from './engine-store.ts';
import { engineEntry, engineMethods, type Refer } from './entry.ts';
import { checkThumbprint } from './holder.ts';
import { engineInteractions, type Interactions } from './interactions.ts';
import { PAGE_HEADERS, renderNotice } from './page.ts';
import { keepRefusals, noteRefusal, type RefusalDeps } from './refusals.ts';

/** The grants that are answered here. */
export const ENGINE_GRANT_TYPES: readonly string[] = [
  GRANT_TYPES.authorizationCode,
  GRANT_TYPES.refreshToken,
];

/** What a client may ask of a resource server through the browser. */
export interface GrantableResource {
  /** The canonical resource identifier: the audience of the token. */
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly ttlSeconds: number;
}

export interface EngineDeps extends RefusalDeps, NeedsDeps {
  readonly issuer: URL;
  /** For how long a client assertion may be good at most. */
  readonly assertionLifetimeSeconds: number;
  readonly records: EngineStore;
  readonly clients: EngineClients;
  readonly publishedKeys: PublishedKeys;
  readonly freshness: { fresh(): Promise<void> };
  /** Finds what a client may ask for at a resource server: within its envelope, never more (I2). */
  findGrantable(clientId: string, resource: string): Promise<GrantableResource | undefined>;
  /** The resource server that is meant when a client names none. */
  findDefaultResource(clientId: string): Promise<string | undefined>;
  /** Whether a person may act now. */
  isActivePerson(id: string): Promise<boolean>;
  /** Whether nothing that a grant rests on was cut off since the person gave it. */
  isGrantAlive(grant: {
    readonly grantId: string;
    readonly clientId: string;
    readonly personId: string;
  }): Promise<boolean>;
  /** Whether somebody but the client itself has said who it is. */
  isVerified(clientId: string): boolean;
  /** Issues a token by the decision that every token passes. */
  issue(request: EngineTokenRequest, origin: Origin): Promise<EngineToken>;
  /** Ends everything that was issued under a grant. */
  endGrant(grantId: string, reason: GrantEnd, origin: Origin): Promise<void>;
  /** Gives an answer its reference, for the pages that show it. */
  readonly refer: Refer;
  /** Sign cookies; the same in all processes. The first signs, any of them is accepted. */
  readonly cookieKeys: readonly string[];
  /**
   * A private key that the engine would sign ID tokens with. It insists on one; no scope `openid` is given, so nothing is signed, and
   * the key is not published.
   */
  readonly signingKey: JWK;
}

/** The grants that applications hold refresh tokens of. */
export interface HeldGrants {
  /** Whose refresh token a value is, used up or not, and under which grant; undefined for anything else. */
  find(value: string): Promise<{ readonly clientId: string; readonly grantId: string } | undefined>;
  /** Ends a grant, with everything that was issued under it. */
  end(grantId: string, reason: GrantEnd, origin: Origin): Promise<void>;
}

export interface Engine {
  /** The root application: middleware added to it runs before the engine. */
  readonly root: Koa;
  /** The way in: to be added last. */
  readonly entry: Koa.Middleware;
  /** With which methods it may be called at a path: none where that is not its own. */
  readonly methodsAt: (path: string) => readonly string[];
  /** Where it waits for a person. */
  readonly interactions: Interactions;
  /** What was given to applications to hold. */
  readonly heldGrants: HeldGrants;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
/** How long an application may act without asking again, and for how long it may rest in between. */
const GRANT_LIFE = 30 * 24 * HOUR;

/**
 * Creates the engine: authorization code with PKCE (S256) and pushed authorization requests, and nothing else. Whatever it would
 * do by default and we do not mean is switched off by name.
 */
export function createEngine(deps: EngineDeps): Engine {
  const issuer = deps.issuer.href.replace(/\/$/, '');
  const provider = new Provider(issuer, configuration(deps, issuer));
  useOurClientProofs(provider, issuer);
  useOurAccessTokens(provider, deps.issue);
  provider.silent = true;
  keepRefusals(provider);
  // Koa keeps a request prototype for each application: scheme and host are those of the issuer, whatever a request says (I14).
  Object.defineProperties(provider.request, {
    protocol: { get: () => deps.issuer.protocol.slice(0, -1) },
    host: { get: () => deps.issuer.host },
  });
  return {
    root: provider,
    entry: engineEntry(deps.issuer, ctx => noteRefusal(deps, ctx)),
    methodsAt: engineMethods(deps.issuer),
    interactions: engineInteractions(provider, deps.moment),
    heldGrants: {
      find: value => findRefreshToken(deps, value),
      end: (grantId, reason, origin) => endHeldGrant(deps, grantId, reason, origin),
    },
  };
}

function configuration(deps: EngineDeps, issuer: string): Configuration {
  const isSecure = deps.issuer.protocol === 'https:';
  const cookiePrefix = isSecure ? '__Secure-' : '';
  const path = deps.issuer.pathname === '/' ? '' : deps.issuer.pathname;
  return {
    adapter: adapterFactory({
      records: deps.records,
      clients: clientSource({
        clients: deps.clients,
        publishedKeys: deps.publishedKeys,
        freshness: deps.freshness,
      }),
      moment: deps.moment,
      refusals: deps.refusals,
      endGrant: deps.endGrant,
    }),
    jwks: { keys: [deps.signingKey as never] },
    responseTypes: ['code'],
    pkce: { required: () => true },
    scopes: ['offline_access'],
    claims: {},
    clockTolerance: 0,
    // Whatever goes out goes through egress (I13), and the engine has no reason to.
    fetch: () => Promise.reject(new Error('the engine opens no connections')),
    clientBasedCORS: () => false,
    // The engine's own DPoP knows neither our nonces nor our table of what was used.
    extraParams: {
      dpop_jkt: (_ctx: unknown, value: unknown) => checkThumbprint(value),
      ...NEEDS_PARAMETERS,
    },
    clientAuthMethods: [...CLIENT_AUTH_METHODS, 'none'],
    enabledJWA: {
      clientAuthSigningAlgValues: ['ES256', 'EdDSA', 'Ed25519', 'PS256'],
      idTokenSigningAlgValues: ['ES256'],
    },
    clientDefaults: {
      id_token_signed_response_alg: 'ES256',
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
    rotateRefreshToken: true,
    issueRefreshToken: (_ctx, client, code) =>
      client.grantTypeAllowed('refresh_token') &&
      (code.scopes.has('offline_access') || client[REFRESH_TOKENS] === 'always'),
    expiresWithSession: () => false,
    extraClientMetadata: { properties: [CLIENT_HANDLE, SECRET_DIGESTS, REFRESH_TOKENS] },
    assertJwtClientAuthClaimsAndHeader: assertionCheck({
      clients: deps.clients,
      publishedKeys: deps.publishedKeys,
      records: deps.records,
      issuer,
      assertionLifetimeSeconds: deps.assertionLifetimeSeconds,
      moment: deps.moment,
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
        getResourceServerInfo: async (ctx, resource, client) => {
          const grantable = await deps.findGrantable(client.clientId, resource);
          if (!grantable) {
            // Who names none asks for what was granted, and that is no more.
            throw ctx.oidc.route === 'token' && ctx.oidc.params?.['resource'] === undefined
              ? new errors.InvalidGrant('the resource server is not to be had any more')
              : new errors.InvalidTarget();
          }
          return {
            scope: grantable.scopes.join(' '),
            audience: grantable.audience,
            accessTokenTTL: grantable.ttlSeconds,
            accessTokenFormat: 'opaque',
          };
        },
        defaultResource: async (_ctx, client, oneOf) =>
          oneOf ?? (await deps.findDefaultResource(client.clientId)) ?? [],
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
      keys: [...deps.cookieKeys],
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
      Grant: GRANT_LIFE,
      IdToken: 5 * MINUTE,
      Interaction: 10 * MINUTE,
      PushedAuthorizationRequest: MINUTE,
      RefreshToken: GRANT_LIFE,
      Session: 12 * HOUR,
    },
    loadExistingGrant: ctx => findGrant(deps, ctx),
    interactions: {
      url: (_ctx, interaction) => `${path}/interaction/${interaction.uid}`,
      policy: interactionsPolicy(deps),
    },
    findAccount: async (_ctx, id) =>
      (await deps.isActivePerson(id)) ? { accountId: id, claims: () => ({ sub: id }) } : undefined,
    renderError: (ctx, out) => renderError(ctx, out, deps.refer),
  };
}

/** Who has signed out with us, or as somebody else, is nobody to the engine. */
function interactionsPolicy(deps: EngineDeps): interactionPolicy.DefaultPolicy {
  const { NO_NEED_TO_PROMPT, REQUEST_PROMPT } = interactionPolicy.Check;
  const policy = interactionPolicy.base();
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('no_own_session', 'End-User authentication is required', async ctx => {
      // Coming back from our page too: what was allowed there may have been ended since.
      const session = await deps.currentSession(ctx);
      if (session === undefined || session.personId !== ctx.oidc.session?.accountId) return REQUEST_PROMPT;
      giveCodesIn(ctx, session.authority);
      return NO_NEED_TO_PROMPT;
    }),
  );
  addNeedsChecks(policy.get('login'), deps);
  policy.get('consent')?.checks.add(
    new interactionPolicy.Check('not_agreed_yet', 'consent is required', 'consent_required', ctx => {
      const { client, grant, params, result } = ctx.oidc;
      if (result?.consent) return NO_NEED_TO_PROMPT;
      // OWASP ASVS 10.7.1: whom nobody has verified asks each time. So does who names no scope: there is nothing to compare.
      const isVerified = deps.isVerified(String(client?.clientId));
      const isAgreed = isVerified && typeof params?.['scope'] === 'string' && grant?.jti !== undefined;
      return isAgreed ? NO_NEED_TO_PROMPT : REQUEST_PROMPT;
    }),
  );
  return policy;
}

/** What the person agreed to just now, or before in this session: for as long as nothing has ended it. */
async function findGrant(deps: EngineDeps, ctx: KoaContextWithOIDC) {
  const { client, provider, result, session } = ctx.oidc;
  const given = result?.consent?.grantId;
  if (given !== undefined) return provider.Grant.find(given);
  const clientId = String(client?.clientId);
  const grantId = session?.grantIdFor(clientId);
  if (grantId === undefined || session?.accountId === undefined) return undefined;
  const isAlive = await deps.isGrantAlive({ grantId, clientId, personId: session.accountId });
  return isAlive ? provider.Grant.find(grantId) : undefined;
}

/** A request that cannot be answered by a redirect, such as one with a foreign redirect URI, ends at a page (RFC 6749 section 4.1.2.1). */
function renderError(
  ctx: KoaContextWithOIDC,
  out: { error: string; error_description?: string | undefined },
  refer: Refer,
): void {
  ctx.set(PAGE_HEADERS);
  ctx.type = 'html';
  ctx.body = renderNotice({
    title: 'This request cannot be answered',
    text: withoutSecrets(`${out.error}: ${out.error_description ?? 'no more is known'}`),
    ...refer(ctx, out.error, ctx.oidc?.client?.clientId),
  });
}
