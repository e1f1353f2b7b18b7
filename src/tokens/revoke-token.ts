import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import { type AuthenticateClientDeps, type AuthenticatedClient, refuseConflict } from '../clients/index.ts';
import { type ActClaim, actorsOf } from './act-claim.ts';
import { findUnendedToken, type TokenLookupDeps, type UnknownTokenLimit } from './introspect-token.ts';
import type { TokenRecord } from './token.ts';
import type { TokenChange } from './token-store.ts';

/** The cutoff that ends one token and whatever descends from it, and its evidence. */
export function cutOffToken(token: TokenRecord, origin: Origin): { change: TokenChange; event: AuditEvent } {
  return {
    // Nothing descended from it lives longer than it does, so the cutoff need not be remembered beyond its end.
    change: { kind: 'cut-off', id: token.jti, epoch: 1, forgetAt: token.expiresAt * 1000 + 60_000 },
    event: {
      type: 'token.revoked',
      outcome: 'done',
      client: token.clientId,
      ...principalsOf(token),
      jti: token.jti,
      // Last: where an administrator revokes it, who asked is not who held it.
      ...eventOrigin(origin),
    },
  };
}

function principalsOf(token: TokenRecord): Required<Pick<AuditEvent, 'subject' | 'actor'>> {
  const { sub, act } = JSON.parse(token.answer) as { readonly sub: string; readonly act?: ActClaim };
  return { subject: sub, actor: act ? actorsOf(act) : [token.clientId] };
}

/** Whose refresh token a value is, and the grant that dies with it (RFC 7009 section 2.1). */
export interface HeldGrant {
  readonly clientId: string;
  readonly grantId: string;
}

export interface RevokeTokenDeps extends TokenLookupDeps, Pick<AuthenticateClientDeps, 'refusals'> {
  readonly limits: AuthenticateClientDeps['limits'] & UnknownTokenLimit;
  /** Finds the grant of a refresh token, used up or not. */
  findHeldGrant(value: string): Promise<HeldGrant | undefined>;
  /** Ends a grant, with everything that was issued under it. */
  endGrant(grantId: string, reason: 'revoked', origin: Origin): Promise<void>;
}

/**
 * Revokes a token (RFC 7009) for the client it was issued to; a refresh token takes everything under its grant along. Unknown, dead and
 * foreign tokens get the same answer and change nothing; trying to revoke a foreign one is recorded.
 *
 * @throws {Refused<LimitRefusal>} where the client has sent too many that were not its own, or did not live
 */
export async function revokeToken(
  deps: RevokeTokenDeps,
  authenticated: AuthenticatedClient,
  value: string,
  origin: Origin,
): Promise<void> {
  const { client, spent } = authenticated;
  const token = await findUnendedToken(deps, value, origin.latest);
  const held = token ? undefined : await deps.findHeldGrant(value);
  const changes: TokenChange[] = [...spent];
  const events: AuditEvent[] = [];
  const isTheirs = (token ?? held)?.clientId === client.clientId;
  if (token && isTheirs) {
    const { change, event } = cutOffToken(token, origin);
    changes.push(change);
    events.push(event);
  } else if ((token || held) && !isTheirs) {
    const refused = deps.refusals.take({
      type: 'token.revocation-refused',
      outcome: 'refused',
      reason: 'foreign-token',
      ...eventOrigin(origin),
      client: client.clientId,
      subject: client.principalId,
      ...(token && { jti: token.jti }),
    });
    events.push(...refused);
  }
  if (changes.length > 0 || events.length > 0) {
    const outcome = await deps.tokens.commit({ changes, events });
    if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  }
  if (held && isTheirs) await deps.endGrant(held.grantId, 'revoked', origin);
  const limited = isTheirs ? undefined : deps.limits.takeUnknownToken(client.clientId, origin);
  if (limited) await limited;
}
