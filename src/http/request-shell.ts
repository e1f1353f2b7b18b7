import type { Context, Middleware, Next } from 'koa';
import type { Logger } from 'pino';
import type { Origin } from '../audit/index.ts';
import type { Clock } from '../clock.ts';
import { Refused } from '../errors.ts';
import { newId } from '../ids.ts';
import { isAdminApi } from './admin-shell.ts';
import { type ErrorAnswer, reasonOf } from './error-answer.ts';
import { isMachineRefusal, oauthErrorBody, oauthErrorStatus } from './oauth-error.ts';
import { problemAnswer } from './problem.ts';

export interface RequestShellDeps {
  readonly issuer: URL;
  readonly clock: Clock;
  readonly log: Logger;
  /** The peer's address as it is recorded and limited by: from the connection, or from a listed proxy (I14). */
  readonly addressOf: (ctx: Context) => string;
  readonly docsUrl: string;
}

/** Paths that answer under any host: an orchestrator probes by address. */
const PROBES = new Set(['/livez', '/readyz', '/version']);

/**
 * The outermost middleware: gives the request its identity, refuses foreign hosts, and turns whatever is thrown into an answer.
 * Nothing else of the request's headers decides who we are: issuer and URLs come from configuration (I14).
 */
export function requestShell(deps: RequestShellDeps): Middleware {
  const host = deps.issuer.host;
  return async (ctx: Context, next: Next): Promise<void> => {
    const now = deps.clock();
    const origin: Origin = { requestId: newId('req', now), address: deps.addressOf(ctx), now };
    ctx.state['origin'] = origin;
    ctx.set('X-Content-Type-Options', 'nosniff');
    if (ctx.headers.host !== host && !PROBES.has(ctx.path)) {
      ctx.status = 421;
      ctx.type = 'text/plain';
      ctx.body = `This server answers for ${host} only.\n`;
      return;
    }
    try {
      await next();
    } catch (error) {
      answerRefusal(deps, ctx, origin, error);
    }
  };
}

function answerRefusal(deps: RequestShellDeps, ctx: Context, origin: Origin, error: unknown): void {
  const answer = isAdminApi(ctx.path, deps.issuer)
    ? problemAnswer(error, deps.docsUrl)
    : oauthAnswer(error, ctx, deps.docsUrl);
  const { status } = answer;
  if (status === 500) deps.log.error({ err: error, requestId: origin.requestId }, 'request failed');
  else if (status === 503)
    deps.log.warn({ err: error, requestId: origin.requestId }, 'request refused: cannot answer safely');

  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Error-Ref', origin.requestId);
  if (status === 503) ctx.set('Retry-After', '1');
  if (status === 413) ctx.set('Connection', 'close');
  if (answer.challenge !== undefined) ctx.set('WWW-Authenticate', answer.challenge);
  ctx.type = answer.mediaType;
  ctx.body = answer.body;
}

function oauthAnswer(error: unknown, ctx: Context, docsUrl: string): ErrorAnswer {
  const reason = reasonOf(error, isMachineRefusal);
  const status = oauthErrorStatus(reason);
  // RFC 6749 section 5.2: a client that tried the Authorization header is told the scheme.
  const isTold = status === 401 && ctx.headers.authorization !== undefined;
  return {
    status,
    mediaType: 'application/json',
    body: oauthErrorBody(reason, error instanceof Refused ? error.detail : {}, docsUrl),
    ...(isTold && { challenge: 'Basic realm="countersign"' }),
  };
}
