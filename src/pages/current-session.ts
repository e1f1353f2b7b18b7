import type { Context } from 'koa';
import type { Origin } from '../audit/index.ts';
import type { HeldAuthority } from '../origin.ts';
import { findSession, type SignInDeps } from '../people/index.ts';
import type { BrowserCookies } from './browser-cookies.ts';

/** Who is signed in in a browser, since when, and how well. */
export interface CurrentSession {
  readonly personId: string;
  readonly authenticatedAt: number;
  readonly acr: string;
  readonly authority: HeldAuthority;
}

/** The session that a request comes with; undefined where there is none, or it has ended. */
export async function currentSession(
  signIn: SignInDeps,
  cookies: BrowserCookies,
  ctx: Context,
): Promise<CurrentSession | undefined> {
  const value = cookies.get(ctx, 'session');
  // The request's own origin, given to it by the shell.
  const session =
    value === undefined ? undefined : await findSession(signIn, value, ctx.state['origin'] as Origin);
  return (
    session && {
      personId: session.person.id,
      authenticatedAt: session.authenticatedAt,
      acr: session.acr,
      authority: session.authority,
    }
  );
}
