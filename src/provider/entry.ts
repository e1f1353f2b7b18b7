import type { Context, Middleware, Next } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { withoutSecrets } from '../text/index.ts';
import { innerParameters } from './inner-parameters.ts';

/**
 * Gives an answer its reference, for a page that shows it.
 *
 * @param reason the error code of the engine
 * @param client who the caller is, as far as the engine knows
 */
export type Refer = (
  ctx: Context,
  reason: string,
  client?: string,
) => {
  readonly reference: string;
  /** Where it is said how to mend it. */
  readonly page: string;
};

/** The paths that the engine answers, below the issuer's own; all others are nobody's. */
const ENGINE_PATH = /^\/(?:authorize(?:\/[A-Za-z0-9_-]+)?|token|par)$/;

/**
 * The only way into the engine. It sees the paths that are meant for it, relative to the issuer's, and a body that has been read
 * before it: what it publishes and accepts follows from configuration alone.
 *
 * @param noteRefusal told of each answer that refuses something, before it is given
 */
export function engineEntry(issuer: URL, noteRefusal: (ctx: Context) => Promise<void>): Middleware {
  const prefix = issuer.pathname === '/' ? '' : issuer.pathname;
  return async (ctx: Context, next: Next): Promise<void> => {
    // No preflight: those of public clients are answered before us (`src/tokens/pages-of-clients.ts`).
    if (ctx.method !== 'GET' && ctx.method !== 'POST') return;
    if (!ctx.path.startsWith(`${prefix}/`)) return;
    const path = ctx.path.slice(prefix.length);
    if (!ENGINE_PATH.test(path)) return;
    const request = ctx.req as typeof ctx.req & { originalUrl?: string };
    // The engine finds the issuer's path in what is left of the original URL, and builds its own URLs with it.
    request.originalUrl = request.url ?? '/';
    request.url = withInnerNames(request.originalUrl.slice(prefix.length));
    const body = ctx.state['body'] as Buffer | undefined;
    if (body) offerAgain(ctx, Buffer.from(innerParameters(body.toString())));
    await next();
    if (ctx.status >= 400) {
      withholdSecrets(ctx.body);
      // For the reference of the answer, which the shell gives.
      await noteRefusal(ctx);
      ctx.state['claimedClient'] = (ctx as Partial<KoaContextWithOIDC>).oidc?.client?.clientId;
    }
  };
}

function withInnerNames(url: string): string {
  const [path = '', query] = url.split('?', 2);
  return query === undefined ? url : `${path}?${innerParameters(query)}`;
}

/** The engine repeats in words what it was sent. */
function withholdSecrets(body: unknown): void {
  if (typeof body !== 'object' || body === null || !('error_description' in body)) return;
  body.error_description = withoutSecrets(String(body.error_description));
}

/** Lets a body that has been read be read once more: the engine takes it from the request's iterator. */
function offerAgain(ctx: Context, body: Buffer): void {
  ctx.req.headers['content-length'] = String(body.length);
  Object.defineProperties(ctx.req, {
    readable: { value: true },
    iterator: {
      value: async function* () {
        yield body;
      },
    },
  });
}
