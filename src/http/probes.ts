import Router from '@koa/router';
import type { CheckResult } from './readiness.ts';

export interface ProbeDeps {
  readonly version: string;
  readonly readiness: () => Promise<ReadonlyMap<string, CheckResult>>;
  /** How long the oldest change that is not durable has waited, in milliseconds. */
  readonly oldestCommitMs: () => number;
}

/** A store that is down or locked gives up long before: only a writer that hangs takes this long, and only a restart helps it. */
const HUNG_AFTER_MS = 60_000;

/**
 * What an orchestrator asks: `/livez` (a restart would not help), `/readyz` (it can answer safely, check by check), `/version`.
 * They answer under any host and without credentials, and say nothing that an attacker could use.
 */
export function probeRoutes(deps: ProbeDeps): Router {
  const router = new Router();
  router.get('/livez', ctx => {
    const isHung = deps.oldestCommitMs() > HUNG_AFTER_MS;
    ctx.status = isHung ? 503 : 200;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = isHung ? { status: 'hung', reason: 'writing to the store does not end' } : { status: 'ok' };
  });
  router.get('/version', ctx => {
    ctx.body = { name: 'countersign', version: deps.version };
  });
  router.get('/readyz', async ctx => {
    const results = [...(await deps.readiness())];
    const states = results.map(([, { state }]) => state);
    const status = states.includes('failed')
      ? 'unavailable'
      : states.includes('degraded')
        ? 'degraded'
        : 'ok';
    ctx.status = status === 'unavailable' ? 503 : 200;
    ctx.set('Cache-Control', 'no-store');
    const checks = Object.fromEntries(results.map(([name, { reason }]) => [name, reason ?? 'ok']));
    ctx.body = { status, checks };
  });
  return router;
}
