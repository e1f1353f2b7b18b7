import type Router from '@koa/router';
import type Koa from 'koa';
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

/**
 * The HTTP face: the shell, then routers in the order given, then whatever the root application answers itself. The machine
 * endpoints come first, as they are called most.
 *
 * @param engine `root` is the application that all of it is added to, `entry` the last step before what that answers itself, and
 *   `methodsAt` tells what that takes at a path
 */
export function createApp(
  { root, entry, methodsAt }: RootApplication,
  shell: RequestShellDeps,
  routers: readonly Pick<Router, 'routes'>[],
): Koa {
  const trace = traceRequests(shell.meter);
  if (trace) root.use(trace);
  root.use(requestShell(shell));
  const routed = routers.map(router => router.routes());
  for (const routes of routed) root.use(routes);
  root.use((ctx, next) => {
    if (isAdminApi(ctx.path, shell.issuer)) {
      throw new Refused<AdminCallRefusal>('route-unknown', { sent: shown(`${ctx.method} ${ctx.path}`) });
    }
    const routes = routed.flatMap(({ router }) => router?.match(ctx.path, ctx.method).path ?? []);
    const methods = new Set([...routes.flatMap(layer => layer.methods), ...methodsAt(ctx.path)]);
    if (methods.size === 0) return next();
    if (!methods.has(ctx.method)) return refuseMethod(ctx, methods);
    assertNotCoded(ctx.req);
    return next();
  });
  root.use(entry);
  return root;
}
