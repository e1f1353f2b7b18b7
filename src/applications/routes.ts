import Router from '@koa/router';
import type { Context } from 'koa';
import type { Origin } from '../audit/index.ts';
import type { Applications } from './applications.ts';
import { type RegistrationDeps, registerApplication } from './register.ts';

export interface RegistrationRouteDeps extends RegistrationDeps {
  readonly applications: Pick<Applications, 'features'>;
  /** Reads a JSON body, with caps. */
  readJson(ctx: Context): Promise<unknown>;
}

/**
 * `/register` (RFC 7591), for as long as a template admits applications that register themselves; nobody's path otherwise. Any page may
 * call it: it takes no credentials and no cookies, and what it answers is known to who asks.
 */
export function registrationRoutes(deps: RegistrationRouteDeps, prefix: string): Router<{ origin: Origin }> {
  const router = new Router<{ origin: Origin }>({ sensitive: true, strict: true, prefix });
  router.options('/register', async (ctx, next) => {
    if (!(await deps.applications.features(ctx.state.origin.latest)).selfRegistration) return next();
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.set('Access-Control-Allow-Methods', 'POST');
    ctx.set('Access-Control-Allow-Headers', 'Content-Type, MCP-Protocol-Version');
    ctx.set('Access-Control-Max-Age', '3600');
    ctx.status = 204;
  });
  router.post('/register', async (ctx, next) => {
    const { origin } = ctx.state;
    if (!(await deps.applications.features(origin.latest)).selfRegistration) return next();
    ctx.set('Access-Control-Allow-Origin', '*');
    const registered = await registerApplication(deps, await deps.readJson(ctx), origin);
    ctx.set('Cache-Control', 'no-store');
    ctx.status = 201;
    ctx.body = registered;
  });
  return router;
}
