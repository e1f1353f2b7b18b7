import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import type { HeldAuthority } from '../audit/index.ts';
import type { Moment } from '../clock.ts';
import { onAuthorityOf } from './acting-authority.ts';
import { ANEW_REASONS } from './authentication-needs.ts';
import { engineNow } from './engine-time.ts';

/** An authorization request that waits for a person. */
export interface PendingAuthorization {
  readonly uid: string;
  readonly clientId: string;
  readonly redirectUri: string;
  /** The scopes that were asked for; none where the request named none. */
  readonly scopes: readonly string[];
  /** The resource server that the token would be for; undefined where none was named and the client has no default. */
  readonly resource: string | undefined;
  /** Only somebody who has signed in since then will do, in milliseconds since the epoch; whoever is signed in where absent. */
  readonly signedInSince: number | undefined;
  readonly loginHint: string | undefined;
}

/** What a person has agreed to. */
export interface GivenConsent {
  /** What the grant is called. */
  readonly grantId: string;
  readonly personId: string;
  /** When they signed in, in milliseconds since the epoch. */
  readonly authenticatedAt: number;
  readonly amr: readonly string[];
  readonly acr: string;
  readonly resource: string;
  readonly scopes: readonly string[];
  /** What was asked for and is not granted: so that it is not asked again in the same breath. */
  readonly withheld: readonly string[];
  /** The session's in which they agreed. */
  readonly authority: HeldAuthority;
}

/** Where the engine waits for a person, and how it goes on. */
export interface Interactions {
  /** The request that the browser's interaction cookie stands for; undefined when there is none, or no longer. */
  find(ctx: Context): Promise<PendingAuthorization | undefined>;
  /**
   * @returns where the browser goes on
   * @throws {Refused<'authority-ended'>}
   */
  consent(ctx: Context, pending: PendingAuthorization, given: GivenConsent): Promise<string>;
  /** @returns where the browser goes on */
  refuse(
    ctx: Context,
    error: 'access_denied' | 'invalid_scope' | 'invalid_target',
    description: string,
  ): Promise<string>;
}

/** A request without a scope goes on as if it had named what it got: the engine would find that nothing was asked for. */
async function nameScopes(provider: Provider, ctx: Context, scopes: readonly string[]): Promise<void> {
  const interaction = await provider.interactionDetails(ctx.req, ctx.res);
  interaction.params['scope'] = scopes.join(' ');
  await interaction.save(interaction.exp - Math.floor(engineNow() / 1_000));
}

export function engineInteractions(provider: Provider, moment: () => Moment): Interactions {
  return {
    async find(ctx) {
      try {
        const { uid, params, prompt, iat } = await provider.interactionDetails(ctx.req, ctx.res);
        const text = (name: string): string | undefined =>
          typeof params[name] === 'string' ? (params[name] as string) : undefined;
        const [resource] = [params['resource']].flat();
        const isFresh = ANEW_REASONS.some(reason => prompt.reasons.includes(reason));
        return {
          uid,
          clientId: text('client_id') ?? '',
          redirectUri: text('redirect_uri') ?? '',
          scopes: (text('scope') ?? '').split(' ').filter(scope => scope !== ''),
          resource: typeof resource === 'string' ? resource : undefined,
          // By our time, as sessions are; the engine counts whole seconds, and one that began in the same may have come before.
          signedInSince: isFresh ? moment().now - engineNow() + (iat + 1) * 1_000 : undefined,
          loginHint: text('login_hint'),
        };
      } catch (error) {
        if (error instanceof errors.SessionNotFound) return undefined;
        throw error;
      }
    },
    consent(ctx, { clientId, scopes: named }, given) {
      return onAuthorityOf(given.authority, async () => {
        const { grantId, personId, resource, scopes, withheld, authenticatedAt, amr, acr } = given;
        if (named.length === 0) await nameScopes(provider, ctx, scopes);
        // A grant of its own each time: what is revoked with one leaves the others alone.
        const grant = new provider.Grant({ accountId: personId, clientId });
        Object.assign(grant, { jti: grantId });
        grant.addOIDCScope('offline_access');
        grant.addResourceScope(resource, scopes.join(' '));
        if (withheld.length > 0) grant.rejectResourceScope(resource, withheld.join(' '));
        return provider.interactionResult(
          ctx.req,
          ctx.res,
          {
            login: {
              accountId: personId,
              ts: Math.floor(authenticatedAt / 1_000),
              amr: [...amr],
              acr,
              remember: false,
            },
            consent: { grantId: await grant.save() },
          },
          { mergeWithLastSubmission: false },
        );
      });
    },
    refuse: (ctx, error, description) =>
      provider.interactionResult(
        ctx.req,
        ctx.res,
        { error, error_description: description },
        { mergeWithLastSubmission: false },
      ),
  };
}
