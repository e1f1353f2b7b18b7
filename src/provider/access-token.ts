import { errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { ClockRefusal, Origin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { cannotAnswer, recorded } from './errors.ts';
import { provenKey } from './holder.ts';

/** A token that the engine would issue. */
export interface EngineTokenRequest {
  readonly clientId: string;
  readonly personId: string;
  readonly grantId: string;
  readonly resource: string | undefined;
  readonly scope: string;
  /** The thumbprint of the key that the request has proved. */
  readonly proofKey: string | undefined;
  /** When the person had signed in, in seconds since the epoch, and how well (RFC 9068 section 2.2.1). */
  readonly authentication: { readonly authTime: number; readonly acr: string } | undefined;
  /** How it was asked for: by a code, or by refreshing. */
  readonly grantType: string;
}

export interface EngineToken {
  readonly value: string;
  readonly expiresIn: number;
  readonly scope: string;
}

/**
 * Has the engine issue no access token itself: what it would have stored is decided, issued and recorded as every other token is (I2, I9),
 * and it hands out the value.
 */
export function useOurAccessTokens(
  provider: Provider,
  issue: (request: EngineTokenRequest, origin: Origin) => Promise<EngineToken>,
): void {
  Object.defineProperty(provider.AccessToken.prototype, 'save', {
    async value(this: InstanceType<typeof provider.AccessToken>): Promise<string> {
      const ctx = Provider.ctx;
      const grant = ctx?.oidc.entities.Grant;
      const resource = typeof this.aud === 'string' ? this.aud : undefined;
      const consented = resource === undefined ? '' : (grant?.getResourceScope(resource) ?? '');
      // Without a scope in the request it is what the person agreed to.
      const scope = this.scope || consented;
      if (!ctx || !this.grantId || !this.accountId || !this.clientId || scope === '') {
        throw new errors.InvalidGrant('nothing was granted for this resource');
      }
      const request = {
        clientId: this.clientId,
        personId: this.accountId,
        grantId: this.grantId,
        resource,
        scope,
        proofKey: provenKey(ctx),
        authentication: authenticationOf(ctx),
        grantType: String(ctx.oidc.params?.['grant_type']),
      };
      try {
        const issued = await issue(request, ctx.state['origin'] as Origin);
        Object.assign(this, { expiresIn: issued.expiresIn });
        this.scope = issued.scope;
        // For the type that the answer names.
        if (request.proofKey !== undefined) this.setThumbprint('jkt', request.proofKey);
        return issued.value;
      } catch (error) {
        throw recorded(asEngineError(error, ctx.oidc.params?.['scope'] !== undefined));
      }
    },
  });
}

function authenticationOf({ oidc }: KoaContextWithOIDC): EngineTokenRequest['authentication'] {
  const { AuthorizationCode, RefreshToken } = oidc.entities;
  const { authTime, acr } = AuthorizationCode ?? RefreshToken ?? {};
  return authTime === undefined || acr === undefined ? undefined : { authTime, acr };
}

/** @param isScopeNamed who names no scope asks for what was granted: if it is no more, that is not about the scope */
function asEngineError(error: unknown, isScopeNamed: boolean): unknown {
  if (error instanceof StoreUnavailable) return cannotAnswer(error);
  if (!(error instanceof Refused)) return error;
  if (error.reason.startsWith('scope-') && isScopeNamed)
    return new errors.InvalidScope('not granted', String(error.detail.sent ?? ''));
  if (error.reason === ('clock-ahead' satisfies ClockRefusal)) return cannotAnswer(error);
  if (error.reason.startsWith('resource-')) return new errors.InvalidTarget();
  return new errors.InvalidGrant(error.reason);
}
