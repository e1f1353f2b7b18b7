import type { Context } from 'koa';
import type { AdminScope } from '../admin-api/index.ts';
import type { HeldAuthority, Origin } from '../audit/index.ts';
import { type DpopDeps, type DpopProofRefusal, receiveDpopProof } from '../clients/index.ts';
import { Refused } from '../errors.ts';
import { shown } from '../input/index.ts';
import { isFromTheFuture } from '../liveness.ts';
import { ADMIN_API_RESOURCE_ID } from '../resources/index.ts';
import { findUnendedToken, type TokenLookupDeps } from '../tokens/index.ts';

export type AdminAuthRefusal =
  | 'no-token'
  | 'token-in-url'
  | 'token-not-live'
  | 'token-from-the-future'
  | 'token-for-another-resource'
  | 'token-is-bound'
  | 'token-is-not-bound'
  | 'token-bound-to-another-key'
  | 'admin-scope-missing'
  | 'origin-foreign'
  | DpopProofRefusal;

/** Whose token a request carries, and what that token allows here. */
export interface AdminAuthority {
  readonly client: string;
  readonly subject: string;
  /** Newest first. */
  readonly actor: readonly string[];
  readonly scopes: readonly string[];
  /** What the token dies with: whatever is changed by the request is changed only while this holds. */
  readonly authority: HeldAuthority;
}

const AUTHORIZATION = /^(Bearer|DPoP) +([A-Za-z0-9._~+/-]+=*)$/i;

export interface AdminAuthDeps extends TokenLookupDeps {
  readonly dpop: DpopDeps;
}

/**
 * Finds whose authority a request to our own API has, by the token in its Authorization header: a live one of ours, issued for
 * this API (RFC 6750 section 2.1). One that is bound to a key comes with a proof of that key, and in no other way (RFC 9449
 * section 7.1): whoever has stolen it has nothing. Any other place for a token is refused, since URLs end up in logs.
 *
 * @param issuer its origin is the only one that a browser may send
 * @throws {Refused<AdminAuthRefusal>}
 */
export async function authenticateAdmin(
  deps: AdminAuthDeps,
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
  const [, scheme, value] = AUTHORIZATION.exec(ctx.headers.authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) {
    throw new Refused<AdminAuthRefusal>('no-token', {
      parameter: 'Authorization',
      permitted: ['Bearer and an access token for this API', 'DPoP and one that is bound to a key'],
    });
  }
  const token = await findUnendedToken(deps, value, origin.latest);
  if (!token) throw new Refused<AdminAuthRefusal>('token-not-live');
  if (isFromTheFuture(token, origin.latest)) throw new Refused<AdminAuthRefusal>('token-from-the-future');
  if (token.resourceId !== ADMIN_API_RESOURCE_ID) {
    throw new Refused<AdminAuthRefusal>('token-for-another-resource');
  }
  const { sub, scope, cnf, act } = JSON.parse(token.answer) as TokenAnswer;
  const isProven = scheme.toLowerCase() === 'dpop';
  if (!isProven && cnf) throw new Refused<AdminAuthRefusal>('token-is-bound');
  if (isProven)
    await assertKeyProven(deps, ctx, { url: issuer.origin + ctx.path, accessToken: value }, cnf, origin);
  return {
    client: token.clientId,
    subject: sub,
    actor: [token.clientId],
    scopes: scope.split(' '),
    authority: {
      lineage: token.lineage,
      expiresAt: token.expiresAt * 1000,
      own: [token.jti, sub, ...(act ? [act.sub] : [])],
    },
  };
}

/** What is read here of an introspection response. */
interface TokenAnswer {
  readonly sub: string;
  readonly scope: string;
  readonly act?: { readonly sub: string };
  readonly cnf?: { readonly jkt: string };
}

async function assertKeyProven(
  deps: AdminAuthDeps,
  ctx: Context,
  expected: { readonly url: string; readonly accessToken: string },
  cnf: TokenAnswer['cnf'],
  origin: Origin,
): Promise<void> {
  if (!cnf) throw new Refused<AdminAuthRefusal>('token-is-not-bound');
  const proof = await receiveDpopProof(deps.dpop, ctx, expected, origin);
  if (proof.jkt !== cnf.jkt) throw new Refused<AdminAuthRefusal>('token-bound-to-another-key');
  const outcome = await deps.tokens.commit({ changes: [proof.spent], events: [] });
  if (!outcome.committed) throw new Refused<AdminAuthRefusal>('dpop-proof-replayed');
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
