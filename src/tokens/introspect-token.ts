import { eventOrigin, type Origin } from '../audit/index.ts';
import { type AuthenticateClientDeps, type AuthenticatedClient, refuseConflict } from '../clients/index.ts';
import { hasEnded, isFromTheFuture } from '../liveness.ts';
import { opaqueTokenId } from './access-token-value.ts';
import type { AccessTokenSigner } from './sign-access-token.ts';
import type { TokenId, TokenRecord } from './token.ts';
import type { TokenStore } from './token-store.ts';

/** The one answer for everything that is not a live token of the caller's own audience (I15, RFC 7662 section 2.2). */
export const INACTIVE = '{"active":false}';

export interface TokenLookupDeps {
  readonly tokens: TokenStore;
  readonly signer: AccessTokenSigner;
}

/** What introspections came to since the start. */
export interface IntrospectionFigures {
  active: number;
  /** Of dead and unknown tokens. */
  inactive: number;
  /** Of live tokens, by somebody else than their audience. */
  foreign: number;
}

export interface IntrospectTokenDeps
  extends TokenLookupDeps,
    Pick<AuthenticateClientDeps, 'refusals' | 'limits'> {
  /** Counted here. */
  readonly introspections: IntrospectionFigures;
}

/**
 * Where a presented value would be stored.
 *
 * @returns undefined for what cannot be a token of ours
 */
export async function locateToken(signer: AccessTokenSigner, value: string): Promise<TokenId | undefined> {
  return opaqueTokenId(value) ?? (value.includes('.') ? await signer.verify(value) : undefined);
}

/** The token behind a value; undefined when it is unknown, expired, revoked or cut off. It lives unless `isFromTheFuture`. */
export async function findUnendedToken(
  deps: TokenLookupDeps,
  value: string,
  now: number,
): Promise<TokenRecord | undefined> {
  const jti = await locateToken(deps.signer, value);
  const token = jti && (await deps.tokens.findToken(jti));
  return token && !hasEnded(token, deps.tokens.epochs, now) ? token : undefined;
}

/**
 * Introspects a token (RFC 7662). Only its own audience learns anything about it; asks by others are recorded, counted, and so are
 * those about a token from the future.
 *
 * @returns the JSON text of the response
 */
export async function introspectToken(
  deps: IntrospectTokenDeps,
  authenticated: AuthenticatedClient,
  value: string,
  origin: Origin,
): Promise<string> {
  const { client, spent } = authenticated;
  if (spent.length > 0) {
    const outcome = await deps.tokens.commit({ changes: spent, events: [] });
    if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  }
  const token = await findUnendedToken(deps, value, origin.latest);
  if (!token) {
    deps.introspections.inactive += 1;
    return INACTIVE;
  }
  const refused = {
    type: 'token.introspection-refused',
    outcome: 'refused',
    client: client.clientId,
  } as const;
  if (isFromTheFuture(token, origin.latest)) {
    deps.introspections.inactive += 1;
    await deps.refusals.note({ ...refused, reason: 'token-from-the-future', ...eventOrigin(origin) });
    return INACTIVE;
  }
  if (client.kind === 'resource' && token.resourceId === client.principalId) {
    deps.introspections.active += 1;
    return token.answer;
  }
  deps.introspections.foreign += 1;
  await deps.refusals.note({ ...refused, reason: 'foreign-audience', ...eventOrigin(origin) });
  return INACTIVE;
}
