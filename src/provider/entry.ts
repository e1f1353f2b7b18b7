import type { Context, Middleware, Next } from 'koa';
import type { Origin } from '../audit/index.ts';
import { PAGE_HEADERS, renderNotice } from './page.ts';

/** The paths that the engine answers, below the issuer's own; all others are nobody's. */
const ENGINE_PATH = /^\/(?:authorize(?:\/[A-Za-z0-9_-]+)?|token|par)$/;
const INTERACTION_PATH = /^\/interaction\/[A-Za-z0-9_-]+$/;

/**
 * The only way into the engine. It sees the paths that are meant for it, relative to the issuer's, and a body that has been read
 * before it: what it publishes and accepts follows from configuration alone.
 */
export function engineEntry(issuer: URL): Middleware {
  const prefix = issuer.pathname === '/' ? '' : issuer.pathname;
  return async (ctx: Context, next: Next): Promise<void> => {
    // No preflight: no page of another site may call what is here, until there are clients that run in a browser.
    if (ctx.method !== 'GET' && ctx.method !== 'POST') return;
    if (!ctx.path.startsWith(`${prefix}/`)) return;
    const path = ctx.path.slice(prefix.length);
    if (INTERACTION_PATH.test(path)) return showSignIn(ctx);
    if (!ENGINE_PATH.test(path)) return;
    const request = ctx.req as typeof ctx.req & { originalUrl?: string };
    // The engine finds the issuer's path in what is left of the original URL, and builds its own URLs with it.
    request.originalUrl = request.url ?? '/';
    request.url = request.originalUrl.slice(prefix.length);
    const body = ctx.state['body'] as Buffer | undefined;
    if (body) offerAgain(ctx, body);
    await next();
    if (ctx.status >= 400) {
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Error-Ref', (ctx.state['origin'] as Origin).requestId);
    }
  };
}

/** Lets a body that has been read be read once more: the engine takes it from the request's iterator. */
function offerAgain(ctx: Context, body: Buffer): void {
  Object.defineProperties(ctx.req, {
    readable: { value: true },
    iterator: {
      value: async function* () {
        yield body;
      },
    },
  });
}

function showSignIn(ctx: Context): void {
  ctx.status = 501;
  ctx.set(PAGE_HEADERS);
  ctx.type = 'html';
  ctx.body = renderNotice({
    title: 'Nobody can sign in here yet',
    text: 'This server issues tokens to agents. Signing in to approve a request through the browser comes with a later version.',
    reference: (ctx.state['origin'] as Origin).requestId,
  });
}
