import type { ServerResponse } from 'node:http';
import type { Context, Middleware, Next } from 'koa';
import type { Logger } from 'pino';
import type { ClockRefusal, Origin } from '../audit/index.ts';
import type { ServerClock } from '../clock.ts';
import { Refused } from '../errors.ts';
import type { Limits } from '../limits/index.ts';
import type { RequestMeter } from '../observability/index.ts';
import { newOrigin } from '../origin.ts';
import type { ErrorReferences } from '../refusals/index.ts';
import { isAdminApi } from './admin-router.ts';
import { engineErrorCode } from './engine-errors.ts';
import { detailOf, type ErrorAnswer, reasonOf } from './error-answer.ts';
import type { CataloguedReason } from './error-catalogue.ts';
import { makeReference, setReference } from './error-reference.ts';
import { isMachineRefusal, type MachineRefusal, oauthErrorBody, oauthErrorStatus } from './oauth-error.ts';
import { type OwnHosts, ownHostCheck } from './own-host.ts';
import { problemAnswer, type ServerRefusal } from './problem.ts';
import type { QuarantineGate, QuarantineRefusal } from './quarantine-gate.ts';
import { JSON_ERROR_TYPE, type ReadyAnswer, readyAnswer } from './ready-answer.ts';

export interface RequestShellDeps extends OwnHosts {
  readonly clock: Pick<ServerClock, 'moment'>;
  readonly log: Logger;
  /** The peer's address as it is recorded and limited by: from the connection, or from a listed proxy (I14). */
  readonly addressOf: (ctx: Context) => string;
  /** The page about errors. */
  readonly docsUrl: string;
  readonly references: ErrorReferences;
  readonly meter: RequestMeter;
  readonly limits: Pick<Limits, 'takeRequest'>;
  readonly quarantineGate: QuarantineGate;
  /** From then on each answer is the last of its connection, so that no client sends another request into the end. */
  readonly isStopping: () => boolean;
}

/** Paths that answer under any host: an orchestrator probes by address. */
const PROBES = new Set(['/livez', '/readyz', '/version']);

/** RFC 9110 section 15.5.2 has one with every 401, also for who sent no Authorization: some clients fail without it. */
const BASIC_CHALLENGE = 'Basic realm="countersign"';

const isProbe = (path: string): boolean => PROBES.has(path);

/** Refusals that are problems (RFC 9457) wherever they happen: they belong to no OAuth endpoint. */
const SERVER_REFUSALS: ReadonlySet<string> = new Set<ServerRefusal>([
  'host-foreign',
  'method-not-allowed',
  'path-unknown',
  'target-foreign',
]);

/**
 * The outermost middleware: gives the request its identity, refuses foreign hosts, and turns whatever is thrown into an answer.
 * Nothing else of the request's headers decides who we are: issuer and URLs come from configuration (I14).
 */
export function requestShell(deps: RequestShellDeps): Middleware {
  const assertOurs = ownHostCheck(deps);
  return async (ctx: Context, next: Next): Promise<void> => {
    const startedAt = performance.now();
    deps.meter.underWay += 1;
    const origin: Origin = newOrigin(deps.clock.moment(), deps.addressOf(ctx));
    ctx.state['origin'] = origin;
    let ready: ReadyAnswer | undefined;
    try {
      assertOurs(ctx, isProbe);
      const { path } = ctx;
      const refusal = deps.quarantineGate(path, origin);
      if (refusal) await refusal;
      const limited = PROBES.has(path) ? undefined : deps.limits.takeRequest(origin);
      if (limited) await limited;
      await next();
      ready = readyAnswer(ctx);
      if (!ready && ctx.status >= 400) ready = finishError(deps, ctx, origin);
    } catch (error) {
      ready = refusalAnswer(deps, ctx, origin, error);
    }
    if (ready) sendReady(ctx, ready, ready.status === 413 || deps.isStopping());
    else {
      ctx.set('X-Content-Type-Options', 'nosniff');
      if (deps.isStopping()) ctx.set('Connection', 'close');
    }
    const durationMs = performance.now() - startedAt;
    deps.meter.underWay -= 1;
    deps.meter.count(ctx.path, ready?.status ?? ctx.status, durationMs);
  };
}

/** Writes an answer that needs no rendering, headers and text in one piece. */
function sendReady(ctx: Context, { status, headers, body }: ReadyAnswer, isLast: boolean): void {
  ctx.respond = false;
  const bytes = Buffer.byteLength(body);
  const length = ['X-Content-Type-Options', 'nosniff', 'Content-Length', String(bytes)];
  ctx.res.writeHead(status, [...headers, ...length, ...(isLast ? ['Connection', 'close'] : [])]);
  // All ASCII, as nearly every answer is, needs no encoding.
  endWithTurn(ctx.res, body, bytes === body.length ? 'latin1' : 'utf8');
}

type Unsent = readonly [response: ServerResponse, body: string, encoding: 'latin1' | 'utf8'];
let unsent: Unsent[] = [];

/**
 * Sends what is answered in one turn of the event loop one after another at its end. Each write may wake who reads it; they come awake
 * once, and while others are still being worked for nobody is.
 */
function endWithTurn(...answer: Unsent): void {
  unsent.push(answer);
  if (unsent.length > 1) return;
  process.nextTick(() => {
    const answers = unsent;
    unsent = [];
    for (const [response, body, encoding] of answers) response.end(body, encoding);
  });
}

/**
 * An error that was answered and not thrown: by the engine, by a probe, or, at a path that nobody has, by nobody.
 *
 * @returns the answer where nobody has given one
 */
function finishError(deps: RequestShellDeps, ctx: Context, origin: Origin): ReadyAnswer | undefined {
  if (ctx.state['errorReference'] !== undefined) return undefined;
  const body: unknown = ctx.body;
  if (ctx.status === 404 && (body === undefined || body === null)) {
    const sent = `${ctx.method} ${ctx.path}`;
    return refusalAnswer(deps, ctx, origin, new Refused<ServerRefusal>('path-unknown', { sent }));
  }
  let reason: CataloguedReason = 'api/not-ready';
  if (typeof body === 'object' && body !== null && 'error' in body) {
    const code = engineErrorCode(body.error);
    Object.assign(body, { error_uri: `${deps.docsUrl}#${code}` });
    reason = `engine/${code}`;
  }
  if (ctx.status === 401) ctx.set('WWW-Authenticate', BASIC_CHALLENGE);
  ctx.set('Cache-Control', 'no-store');
  deps.meter.countRefusal(ctx.path, reason);
  setReference(ctx, deps.references, reason, claimedClient(ctx));
  return undefined;
}

/** Who the engine found the caller to be. */
function claimedClient(ctx: Context): string | undefined {
  const client: unknown = ctx.state['claimedClient'];
  return typeof client === 'string' ? client : undefined;
}

function refusalAnswer(deps: RequestShellDeps, ctx: Context, origin: Origin, error: unknown): ReadyAnswer {
  const answer =
    isAdminApi(ctx.path, deps.issuer) || isServerRefusal(error)
      ? problemAnswer(error, deps.docsUrl)
      : oauthAnswer(error, deps.docsUrl);
  const { status, reason } = answer;
  // It is in the trail, counted, and the log has said it once.
  const isQuarantine =
    error instanceof Refused && error.reason === ('deployment-quarantined' satisfies QuarantineRefusal);
  const isClock = error instanceof Refused && error.reason === ('clock-ahead' satisfies ClockRefusal);
  if (status === 500) deps.log.error({ err: error, requestId: origin.requestId }, 'request failed');
  else if (status === 503 && !isQuarantine && !isClock)
    deps.log.warn({ err: error, requestId: origin.requestId }, 'request refused: cannot answer safely');

  const client = error instanceof Refused ? error.claimedClient : undefined;
  deps.meter.countRefusal(ctx.path, reason);
  const reference = makeReference(ctx, deps.references, reason, client);
  const headers = ['Cache-Control', 'no-store', 'Error-Ref', reference, 'Content-Type', answer.mediaType];
  const retryAfter = error instanceof Refused ? error.detail.retryAfterSeconds : undefined;
  if (status === 503) headers.push('Retry-After', isQuarantine ? '60' : String(retryAfter ?? 1));
  if (status === 429 || (status === 409 && retryAfter !== undefined))
    headers.push('Retry-After', String(retryAfter ?? 1));
  // RFC 9110 section 12.5.3: not the media type was at fault.
  if (reason.endsWith('/content-coding-not-supported')) headers.push('Accept-Encoding', 'identity');
  if (answer.challenge !== undefined) headers.push('WWW-Authenticate', answer.challenge);
  return { status, headers, body: answer.body };
}

function isServerRefusal(error: unknown): boolean {
  return error instanceof Refused && SERVER_REFUSALS.has(error.reason);
}

function oauthAnswer(error: unknown, docsUrl: string): ErrorAnswer<`oauth/${MachineRefusal}`> {
  const reason = reasonOf(error, isMachineRefusal);
  const status = oauthErrorStatus(reason);
  return {
    status,
    reason: `oauth/${reason}`,
    mediaType: JSON_ERROR_TYPE,
    body: oauthErrorBody(reason, detailOf(error), docsUrl, error instanceof Refused ? error.members : {}),
    ...(status === 401 && { challenge: BASIC_CHALLENGE }),
  };
}
