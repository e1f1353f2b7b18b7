import type Router from '@koa/router';
import Koa from 'koa';
import { Refused } from '../errors.ts';
import { shown } from '../input.ts';
import { type AdminCallRefusal, isAdminApi } from './admin-shell.ts';
import type { EndpointRefusal } from './oauth-error.ts';
import { type RequestShellDeps, requestShell } from './request-shell.ts';

/**
 * The HTTP face: the shell, then routers in the order given. The machine endpoints come first, as they are called most.
 */
export function createApp(shell: RequestShellDeps, routers: readonly Pick<Router, 'routes'>[]): Koa {
  const app = new Koa({ proxy: false });
  app.silent = true;
  app.use(requestShell(shell));
  for (const router of routers) app.use(router.routes());
  app.use(ctx => {
    if (isAdminApi(ctx.path, shell.issuer)) {
      throw new Refused<AdminCallRefusal>('route-unknown', { sent: shown(`${ctx.method} ${ctx.path}`) });
    }
    if (ctx.method === 'POST' && ctx.path.endsWith('/token')) {
      throw new Refused<EndpointRefusal>('grant-type-not-supported', { parameter: 'grant_type' });
    }
  });
  return app;
}
