import { eventOrigin, type Origin } from '../audit/index.ts';
import { type AuthenticateClientDeps, type AuthenticatedClient, refuseConflict } from '../clients/index.ts';
import { isLive } from '../liveness.ts';
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

/** The live token behind a value; undefined when it is unknown, expired, revoked or cut off. */
export async function findLiveToken(
  deps: TokenLookupDeps,
  value: string,
  now: number,
): Promise<TokenRecord | undefined> {
  const jti = await locateToken(deps.signer, value);
  const token = jti && (await deps.tokens.findToken(jti));
  return token && isLive(token, deps.tokens.epochs, now) ? token : undefined;
}

/**
 * Introspects a token (RFC 7662). Only its own audience learns anything about it; asks by others are recorded, counted.
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
  const token = await findLiveToken(deps, value, origin.latest);
  if (!token) {
    deps.introspections.inactive += 1;
    return INACTIVE;
  }
  if (client.kind === 'resource' && token.resourceId === client.principalId) {
    deps.introspections.active += 1;
    return token.answer;
  }
  deps.introspections.foreign += 1;

  await deps.refusals.note({
    type: 'token.introspection-refused',
    outcome: 'refused',
    reason: 'foreign-audience',
    ...eventOrigin(origin),
    client: client.clientId,
  });
  return INACTIVE;
}
