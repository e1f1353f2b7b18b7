import type { Context } from 'koa';
import type { CookieChanges, CookieName } from './page-deps.ts';

export interface BrowserCookies {
  get(ctx: Context, name: CookieName): string | undefined;
  change(ctx: Context, changes: CookieChanges): void;
}

/**
 * The cookies of the pages: all end with the browser's session, since what they stand for ends on the server. Over https they are
 * bound to this very host by their prefix (RFC 6265bis section 4.1.3.2), which needs `Path=/`, also below an issuer with a path.
 */
export function browserCookies(issuer: URL): BrowserCookies {
  const isSecure = issuer.protocol === 'https:';
  const nameOf = (name: CookieName): string => `${isSecure ? '__Host-' : ''}countersign-${name}`;
  return {
    get(ctx, name) {
      const value = ctx.cookies.get(nameOf(name), { signed: false });
      return value === '' ? undefined : value;
    },
    change(ctx, changes) {
      const lines = Object.entries(changes)
        // What is not there need not be taken away.
        .filter(([name, value]) => value !== null || this.get(ctx, name as CookieName) !== undefined)
        .map(([name, value]) =>
          [
            `${nameOf(name as CookieName)}=${value ?? ''}`,
            'Path=/',
            'HttpOnly',
            // Not Strict: people come here from the pages of clients.
            'SameSite=Lax',
            ...(isSecure ? ['Secure'] : []),
            ...(value === null ? ['Max-Age=0'] : []),
          ].join('; '),
        );
      if (lines.length > 0) ctx.append('Set-Cookie', lines);
    },
  };
}
