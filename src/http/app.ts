import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type Router from '@koa/router';
import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import { Refused } from '../errors.ts';
import { shown } from '../input/index.ts';
import { traceRequests } from '../observability/index.ts';
import { type AdminCallRefusal, isAdminApi } from './admin-router.ts';
import { assertNotCoded } from './form.ts';
import { refuseMethod } from './refuse-method.ts';
import { type RequestShellDeps, requestShell } from './request-shell.ts';

export interface RootApplication {
  readonly root: Koa;
  readonly entry: Koa.Middleware;
  readonly methodsAt: (path: string) => readonly string[];
}

/** What is called in tight loops, by path and then by method. Both are compared as they are: nothing in them is a pattern. */
export type FixedRoutes = ReadonlyMap<string, ReadonlyMap<string, Middleware>>;

/**
 * The HTTP face: the shell, then the fixed routes, then routers in the order given, then whatever the root application answers itself.
 *
 * @param engine `root` is the application that all of it is added to, `entry` the last step before what that answers itself, and
 *   `methodsAt` tells what that takes at a path
 */
export function createHandler(
  { root, entry, methodsAt }: RootApplication,
  shell: RequestShellDeps,
  fixed: FixedRoutes,
  routers: readonly Pick<Router, 'routes'>[],
): RequestListener {
  const trace = traceRequests(shell.meter);
  if (trace) root.use(trace);
  const inShell = requestShell(shell);
  root.use(inShell);
  const callFixed: Middleware = (ctx, next) => fixed.get(ctx.path)?.get(ctx.method)?.(ctx, next) ?? next();
  root.use(callFixed);
  const routed = routers.map(router => router.routes());
  for (const routes of routed) root.use(routes);
  root.use((ctx, next) => {
    if (isAdminApi(ctx.path, shell.issuer)) {
      throw new Refused<AdminCallRefusal>('route-unknown', { sent: shown(`${ctx.method} ${ctx.path}`) });
    }
    const routes = routed.flatMap(({ router }) => router?.match(ctx.path, ctx.method).path ?? []);
    const methods = new Set([
      ...(fixed.get(ctx.path)?.keys() ?? []),
      ...routes.flatMap(layer => layer.methods),
      ...methodsAt(ctx.path),
    ]);
    if (methods.size === 0) return next();
    if (!methods.has(ctx.method)) return refuseMethod(ctx, methods);
    assertNotCoded(ctx.req);
    return next();
  });
  root.use(entry);
  const byKoa = root.callback();
  // A span is around all that a request does.
  return trace ? byKoa : directly(root as Application, inShell, fixed, callFixed, byKoa);
}

/** What of Koa its types keep private. */
type Application = Koa & {
  handleRequest(ctx: Context, middleware: (ctx: Context) => Promise<void>): Promise<void>;
  compose(middleware: readonly Middleware[]): Middleware;
};

/**
 * Calls a fixed route straight from Node.js, in the same shell and with the same context as Koa would, without its chain of
 * middleware and its listeners for whatever a stream may do (`docs/decisions/0012`). It is still Koa that renders what is not ready to
 * be sent: whatever the engine answers, and what is signed.
 */
function directly(
  root: Application,
  inShell: Middleware,
  fixed: FixedRoutes,
  callFixed: Middleware,
  byKoa: RequestListener,
): RequestListener {
  const others = root.compose(root.middleware.slice(root.middleware.indexOf(callFixed) + 1));
  const pass = async (): Promise<void> => undefined;

  async function render(ctx: Context): Promise<void> {
    // Koa begins with 404.
    const { statusCode } = ctx.res;
    await root.handleRequest(ctx, async () => {
      ctx.res.statusCode = statusCode;
    });
  }

  return (request: IncomingMessage, response: ServerResponse) => {
    // By the target as it was sent: one with a host or a query goes the long way, and is judged there.
    const route = fixed.get(request.url ?? '')?.get(request.method ?? '');
    if (!route) return byKoa(request, response);
    const ctx = root.createContext(request, response) as Context;
    response.statusCode = 404;
    inShell(ctx, () => route(ctx, () => others(ctx, pass))).then(
      () => (ctx.respond === false ? undefined : render(ctx)),
      (error: Error) => ctx.onerror(error),
    );
  };
}
