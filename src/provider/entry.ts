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

/** The paths that the engine answers, below the issuer's own, by what; all others are nobody's. */
const ENGINE_PATHS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^\/authorize$/, ['GET', 'POST']],
  [/^\/authorize\/[A-Za-z0-9_-]+$/, ['GET']],
  [/^\/(?:token|par)$/, ['POST']],
];

/** Makes what tells with which methods the engine may be called at a path: none where it is not the engine's. */
export function engineMethods(issuer: URL): (path: string) => readonly string[] {
  const prefix = issuer.pathname === '/' ? '' : issuer.pathname;
  return path => {
    if (!path.startsWith(`${prefix}/`)) return [];
    const own = path.slice(prefix.length);
    return ENGINE_PATHS.find(([pattern]) => pattern.test(own))?.[1] ?? [];
  };
}

/**
 * The only way into the engine. It sees the paths that are meant for it, relative to the issuer's, and a body that has been read
 * before it: what it publishes and accepts follows from configuration alone.
 *
 * @param noteRefusal told of each answer that refuses something, before it is given
 */
export function engineEntry(issuer: URL, noteRefusal: (ctx: Context) => Promise<void>): Middleware {
  const prefix = issuer.pathname === '/' ? '' : issuer.pathname;
  const methodsAt = engineMethods(issuer);
  const parPath = `${prefix}/par`;
  return async (ctx: Context, next: Next): Promise<void> => {
    // No preflight: those of public clients are answered before us (`src/tokens/pages-of-clients.ts`).
    if (!methodsAt(ctx.path).includes(ctx.method)) return;
    const isPushed = ctx.path === parPath;
    const request = ctx.req as typeof ctx.req & { originalUrl?: string };
    // The engine finds the issuer's path in what is left of the original URL, and builds its own URLs with it.
    request.originalUrl = request.url ?? '/';
    request.url = withInnerNames(request.originalUrl.slice(prefix.length));
    const body = ctx.state['body'] as Buffer | undefined;
    if (body) offerAgain(ctx, Buffer.from(innerParameters(body.toString())));
    await next();
    // The engine lets everybody read what nobody's page asked for; requests are pushed by servers.
    if (isPushed || ctx.headers.origin === undefined) {
      ctx.remove('Access-Control-Allow-Origin');
      ctx.remove('Access-Control-Expose-Headers');
    }
    // Also of what a browser takes back to its application.
    await noteRefusal(ctx);
    if (ctx.status >= 400) {
      withholdSecrets(ctx.body);
      // For the reference of the answer, which the shell gives.
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
