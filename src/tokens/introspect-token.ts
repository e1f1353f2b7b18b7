import { eventOrigin, type Origin } from '../audit/index.ts';
import {
  type AuthenticateClientDeps,
  type AuthenticatedClient,
  type Client,
  refuseConflict,
} from '../clients/index.ts';
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

/** What counts the tokens of a client that are not live for it. */
export interface UnknownTokenLimit {
  /** Nothing where the client may be told so, otherwise a promise of the refusal. */
  takeUnknownToken(clientId: string, origin: Origin): Promise<never> | undefined;
}

export interface IntrospectTokenDeps extends TokenLookupDeps, Pick<AuthenticateClientDeps, 'refusals'> {
  readonly limits: AuthenticateClientDeps['limits'] & UnknownTokenLimit;
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

/**
 * Begins to look a presented value up, so that this shares a turn of the store with what is read to authenticate whoever asks. What it
 * brings is used only once they are.
 *
 * @returns undefined for what has to be verified first, and what cannot be a token of ours
 */
export function beginLookup(
  { tokens }: Pick<TokenLookupDeps, 'tokens'>,
  value: string,
): Promise<TokenRecord | undefined> | undefined {
  const jti = opaqueTokenId(value);
  const looked = jti && tokens.findToken(jti);
  // Where authentication fails, nobody waits for it.
  looked?.catch(() => undefined);
  return looked;
}

/** The token behind a value; undefined when it is unknown, expired, revoked or cut off. It lives unless `isFromTheFuture`. */
export async function findUnendedToken(
  deps: TokenLookupDeps,
  value: string,
  now: number,
  looked?: Promise<TokenRecord | undefined>,
): Promise<TokenRecord | undefined> {
  const jti = looked ? undefined : await locateToken(deps.signer, value);
  const token = await (looked ?? (jti && deps.tokens.findToken(jti)));
  return token && !hasEnded(token, deps.tokens.epochs, now) ? token : undefined;
}

/**
 * Introspects a token (RFC 7662). Only its own audience learns anything about it; asks by others are recorded, counted, and so are
 * those about a token from the future.
 *
 * @param looked what `beginLookup` has begun
 * @returns the JSON text of the response
 * @throws {Refused<LimitRefusal>} instead of telling that a token is not live, where the caller has asked about too many such
 */
export async function introspectToken(
  deps: IntrospectTokenDeps,
  authenticated: AuthenticatedClient,
  value: string,
  origin: Origin,
  looked?: Promise<TokenRecord | undefined>,
): Promise<string> {
  const { client, spent } = authenticated;
  if (spent.length > 0) {
    const outcome = await deps.tokens.commit({ changes: spent, events: [] });
    if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  }
  const token = await findUnendedToken(deps, value, origin.latest, looked);
  if (token && isLiveFor(client, token, origin)) {
    deps.introspections.active += 1;
    return token.answer;
  }
  if (!token) deps.introspections.inactive += 1;
  else await noteRefusedAsk(deps, client, token, origin);
  const limited = deps.limits.takeUnknownToken(client.clientId, origin);
  if (limited) await limited;
  return INACTIVE;
}

function isLiveFor({ kind, principalId }: Client, token: TokenRecord, origin: Origin): boolean {
  return kind === 'resource' && token.resourceId === principalId && !isFromTheFuture(token, origin.latest);
}

/** A token that has not ended, and of which the caller is told nothing. */
async function noteRefusedAsk(
  deps: IntrospectTokenDeps,
  client: Client,
  token: TokenRecord,
  origin: Origin,
): Promise<void> {
  const isFuture = isFromTheFuture(token, origin.latest);
  deps.introspections[isFuture ? 'inactive' : 'foreign'] += 1;
  await deps.refusals.note(
    {
      type: 'token.introspection-refused',
      outcome: 'refused',
      reason: isFuture ? 'token-from-the-future' : 'foreign-audience',
      ...eventOrigin(origin),
      client: client.clientId,
    },
    'registered',
  );
}
