/**
 * How lately, and by what, a person has to have signed in for a request: `max_age` and `acr_values` (OpenID Connect Core section 3.1.2.1, RFC
 * 9470 section 4). The engine takes them only from clients that ask for ID tokens, which are not issued here, so that they go under other
 * names inside.
 */

import type { Context } from 'koa';
import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Moment } from '../clock.ts';
import { ACR_VALUES } from '../oauth.ts';
import type { HeldAuthority } from '../origin.ts';

const INNER_NAMES = new Map([
  ['max_age', 'needed_max_age'],
  ['acr_values', 'needed_acr'],
]);

/** Whom a browser is signed in as, and how. */
export interface SignedIn {
  readonly personId: string;
  /** Milliseconds since the epoch. */
  readonly authenticatedAt: number;
  readonly acr: string;
  /** The session's. */
  readonly authority: HeldAuthority;
}

export interface NeedsDeps {
  readonly moment: () => Moment;
  currentSession(ctx: Context): Promise<SignedIn | undefined>;
}

/** Gives the parameters of a request, form-encoded, the names that they have inside. */
export function renameNeeds(parameters: string): string {
  if (!/(?:^|&)(?:max_age|acr_values)=/.test(parameters)) return parameters;
  const renamed = [...new URLSearchParams(parameters)].map(([name, value]) => [
    INNER_NAMES.get(name) ?? name,
    value,
  ]);
  return new URLSearchParams(renamed as [string, string][]).toString();
}

/** What the engine checks of each when it arrives. */
export const NEEDS_PARAMETERS = {
  needed_max_age(_ctx: unknown, value: unknown): void {
    if (value !== undefined && !/^\d{1,9}$/.test(String(value)))
      throw new errors.InvalidRequest('max_age is a number of seconds');
  },
  needed_acr(_ctx: unknown, value: unknown): void {
    const wanted = acrsOf(value);
    if (wanted.length > 0 && !wanted.some(isKnown)) throw unmet();
  },
};

/** Why a person has to sign in anew for a request. */
export const ANEW_REASONS = ['login_prompt', 'signed_in_too_long_ago', 'acr_not_met'] as const;

/** Has a person sign in again where it was too long ago, or by less than the request needs. */
export function addNeedsChecks(prompt: interactionPolicy.Prompt | undefined, deps: NeedsDeps): void {
  const { NO_NEED_TO_PROMPT, REQUEST_PROMPT } = interactionPolicy.Check;
  prompt?.checks.add(
    new interactionPolicy.Check(
      'signed_in_too_long_ago',
      'End-User authentication is required',
      async ctx => {
        const maxAge = ctx.oidc.params?.['needed_max_age'];
        // Coming back from our page: that it was anew has just been looked at.
        if (maxAge === undefined || ctx.oidc.result?.login) return NO_NEED_TO_PROMPT;
        const session = await deps.currentSession(ctx);
        const isRecent = session && deps.moment().latest - session.authenticatedAt <= Number(maxAge) * 1_000;
        return isRecent ? NO_NEED_TO_PROMPT : REQUEST_PROMPT;
      },
    ),
  );
  prompt?.checks.add(
    new interactionPolicy.Check('acr_not_met', 'End-User authentication is required', async ctx => {
      const wanted = acrsOf(ctx.oidc.params?.['needed_acr']);
      if (wanted.length === 0) return NO_NEED_TO_PROMPT;
      const reached = await reachedAcr(ctx, deps);
      if (reached !== undefined && (wanted.includes(reached) || (reached === 'phr' && wanted.some(isKnown))))
        return NO_NEED_TO_PROMPT;
      if (ctx.oidc.result?.login) throw unmet();
      return REQUEST_PROMPT;
    }),
  );
}

async function reachedAcr(ctx: KoaContextWithOIDC, deps: NeedsDeps): Promise<string | undefined> {
  return ctx.oidc.result?.login?.acr ?? (await deps.currentSession(ctx))?.acr;
}

function acrsOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? value.split(' ').filter(acr => acr !== '') : [];
}

function isKnown(acr: string): boolean {
  return ACR_VALUES.some(known => known === acr);
}

/** OpenID Connect Core Error Code unmet_authentication_requirements 1.0. */
function unmet(): errors.OIDCProviderError {
  return new errors.CustomOIDCProviderError(
    'unmet_authentication_requirements',
    `acr_values: people sign in here with one of ${ACR_VALUES.join(', ')}`,
  );
}
