import Router from '@koa/router';

/** One thing that must work before requests are taken. Throws, with the reason as its message, when it does not. */
export type ReadinessCheck = () => Promise<void>;

export interface ProbeDeps {
  readonly version: string;
  /** By name, as they appear in the answer. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  readonly isStopping: () => boolean;
}

/**
 * What an orchestrator asks: `/livez` (the process runs), `/readyz` (it can answer safely, check by check), `/version`. They
 * answer under any host and without credentials, and say nothing that an attacker could use.
 */
export function probeRoutes(deps: ProbeDeps): Router {
  const router = new Router();
  router.get('/livez', ctx => {
    ctx.body = { status: 'ok' };
  });
  router.get('/version', ctx => {
    ctx.body = { name: 'countersign', version: deps.version };
  });
  router.get('/readyz', async ctx => {
    const checks: Record<string, string> = { process: deps.isStopping() ? 'stopping' : 'ok' };
    for (const [name, check] of Object.entries(deps.checks)) {
      checks[name] = await check().then(
        () => 'ok',
        error => (error instanceof Error ? error.message : 'failed'),
      );
    }
    const ready = Object.values(checks).every(state => state === 'ok');
    ctx.status = ready ? 200 : 503;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { status: ready ? 'ok' : 'unavailable', checks };
  });
  return router;
}
