import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import { type AuthenticateClientDeps, type AuthenticatedClient, refuseConflict } from '../clients/index.ts';
import { findLiveToken, type TokenLookupDeps } from './introspect-token.ts';
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
      ...eventOrigin(origin),
      client: token.clientId,
      jti: token.jti,
    },
  };
}

/**
 * Revokes a token (RFC 7009) for the client it was issued to. Unknown, dead and foreign tokens get the same answer and change
 * nothing; trying to revoke a foreign one is recorded.
 */
export async function revokeToken(
  deps: TokenLookupDeps & Pick<AuthenticateClientDeps, 'refusals'>,
  authenticated: AuthenticatedClient,
  value: string,
  origin: Origin,
): Promise<void> {
  const { client, spent } = authenticated;
  const token = await findLiveToken(deps, value, origin.now);
  const changes: TokenChange[] = [...spent];
  const events: AuditEvent[] = [];
  if (token?.clientId === client.clientId) {
    const { change, event } = cutOffToken(token, origin);
    changes.push(change);
    events.push(event);
  } else if (token) {
    events.push({
      type: 'token.revocation-refused',
      outcome: 'refused',
      reason: 'foreign-token',
      ...eventOrigin(origin),
      client: client.clientId,
      jti: token.jti,
    });
  }
  if (changes.length === 0 && events.length === 0) return;
  const outcome = await deps.tokens.commit({ changes, events });
  if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
}
