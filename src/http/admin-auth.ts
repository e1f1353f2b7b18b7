import type { Context } from 'koa';
import type { AdminScope } from '../admin-shell.ts';
import type { Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { shown } from '../input.ts';
import { ADMIN_API_RESOURCE_ID } from '../resources/index.ts';
import { findLiveToken, type TokenLookupDeps } from '../tokens/index.ts';

export type AdminAuthRefusal =
  | 'no-token'
  | 'token-in-url'
  | 'token-not-live'
  | 'token-for-another-resource'
  | 'admin-scope-missing'
  | 'origin-foreign';

/** Whose token a request carries, and what that token allows here. */
export interface AdminAuthority {
  readonly client: string;
  readonly scopes: readonly string[];
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * Finds whose authority a request to our own API has, by the token in its Authorization header: a live one of ours, issued for
 * this API (RFC 6750 section 2.1). Any other place for a token is refused, since URLs end up in logs.
 *
 * @param issuer its origin is the only one that a browser may send
 * @throws {Refused<AdminAuthRefusal>}
 */
export async function authenticateAdmin(
  deps: TokenLookupDeps,
  ctx: Context,
  issuer: URL,
  origin: Origin,
): Promise<AdminAuthority> {
  if (new URLSearchParams(ctx.querystring).has('access_token')) {
    throw new Refused<AdminAuthRefusal>('token-in-url', {
      parameter: 'access_token',
      permitted: ['Authorization: Bearer …'],
    });
  }
  const from = ctx.headers.origin;
  if (from !== undefined && from !== issuer.origin) {
    throw new Refused<AdminAuthRefusal>('origin-foreign', {
      parameter: 'Origin',
      sent: shown(from),
      permitted: [issuer.origin],
    });
  }
  const value = BEARER.exec(ctx.headers.authorization ?? '')?.[1];
  if (value === undefined) {
    throw new Refused<AdminAuthRefusal>('no-token', {
      parameter: 'Authorization',
      permitted: ['Bearer and an access token for this API'],
    });
  }
  const token = await findLiveToken(deps, value, origin.now);
  if (!token) throw new Refused<AdminAuthRefusal>('token-not-live');
  if (token.resourceId !== ADMIN_API_RESOURCE_ID) {
    throw new Refused<AdminAuthRefusal>('token-for-another-resource');
  }
  const { scope } = JSON.parse(token.answer) as { readonly scope: string };
  return { client: token.clientId, scopes: scope.split(' ') };
}

/** @throws {Refused<'admin-scope-missing'>} naming the scope that the call needs (RFC 6750 section 3.1) */
export function assertAdminScope(authority: AdminAuthority, scope: AdminScope): void {
  if (authority.scopes.includes(scope)) return;
  throw new Refused<AdminAuthRefusal>('admin-scope-missing', {
    parameter: 'scope',
    sent: authority.scopes.join(' '),
    permitted: [scope],
  });
}
