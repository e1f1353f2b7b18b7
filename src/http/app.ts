import type Router from '@koa/router';
import type Koa from 'koa';
import { Refused } from '../errors.ts';
import { shown } from '../input/index.ts';
import { traceRequests } from '../observability/index.ts';
import { type AdminCallRefusal, isAdminApi } from './admin-router.ts';
import { type RequestShellDeps, requestShell } from './request-shell.ts';

/**
 * The HTTP face: the shell, then routers in the order given, then whatever the root application answers itself. The machine
 * endpoints come first, as they are called most.
 *
 * @param engine `root` is the application that all of it is added to, `entry` the last step before what that answers itself
 */
export function createApp(
  { root, entry }: { readonly root: Koa; readonly entry: Koa.Middleware },
  shell: RequestShellDeps,
  routers: readonly Pick<Router, 'routes'>[],
): Koa {
  const trace = traceRequests(shell.meter);
  if (trace) root.use(trace);
  root.use(requestShell(shell));
  for (const router of routers) root.use(router.routes());
  root.use((ctx, next) => {
    if (isAdminApi(ctx.path, shell.issuer)) {
      throw new Refused<AdminCallRefusal>('route-unknown', { sent: shown(`${ctx.method} ${ctx.path}`) });
    }
    return next();
  });
  root.use(entry);
  return root;
}
