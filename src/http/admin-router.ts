import Router from '@koa/router';
import type { Context, Next } from 'koa';
import type { AdminAnswer, AdminCall, AdminShell } from '../admin-api/index.ts';
import {
  type AdminCallDescription,
  type AdminCalls,
  type AnswerOf,
  type BodyOf,
  makesSomething,
  type ParamsOf,
  type QueryOf,
} from '../admin-api/index.ts';
import {
  type AuditEvent,
  type AuthorisedOrigin,
  AuthorityEnded,
  type CommitPort,
  eventOrigin,
  type IfMatch,
  type Origin,
  type RefusalCounter,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { answerOnce, type IdempotencyDeps, idempotentRequest, type Keeping } from '../idempotency/index.ts';
import { closedObject, parseInput, shown } from '../input/index.ts';
import type { Limits } from '../limits/index.ts';
import {
  type AdminAuthDeps,
  type AdminAuthRefusal,
  assertAdminScope,
  authenticateAdmin,
} from './admin-auth.ts';
import type { BodyRefusal } from './form.ts';
import { assertMet, type IfMatchRefusal, readIfMatch } from './if-match.ts';
import { readJson } from './json.ts';
import { type MethodRefusal, refuseMethod } from './refuse-method.ts';

/** - `version-required`: a change has to say which version it is made to */
export type AdminCallRefusal = 'route-unknown' | MethodRefusal | 'version-required' | IfMatchRefusal;

export interface AdminRouterDeps extends AdminAuthDeps {
  readonly issuer: URL;
  readonly audit: CommitPort<never>;
  readonly idempotency: IdempotencyDeps;
  /** Takes the record of a refusal to somebody unknown; alike ones are counted, so that nobody can fill the disk. */
  readonly limits: Pick<Limits, 'noteFailure'>;
  readonly refusals: Pick<RefusalCounter, 'note' | 'take'>;
}

const NOTHING = closedObject({});

/** The path below which our own API is, with the issuer's path before it. */
export function adminApiPath(issuer: URL): string {
  return `${issuer.pathname === '/' ? '' : issuer.pathname}/api`;
}

/** Whether a path is the API's or below it: there, errors are problems (RFC 9457). */
export function isAdminApi(path: string, issuer: URL): boolean {
  const base = adminApiPath(issuer);
  return path === base || path.startsWith(`${base}/`);
}

/** The shell of the admin API, with the router that it binds calls on. */
export interface AdminRouter extends AdminShell {
  /** @throws {Error} when a described call is not bound: what is published must be served */
  routes(): ReturnType<Router['routes']>;
}

/**
 * The shell of the admin API: what is the same for every call, in one place; see `AdminShell`.
 *
 * @param calls every call there is, by `operationId`: no other can be bound
 */
export function createAdminRouter(deps: AdminRouterDeps, calls: AdminCalls): AdminRouter {
  const prefix = `${adminApiPath(deps.issuer)}/v1`;
  const router = new Router({ sensitive: true, strict: true, prefix });
  const unbound = new Map(Object.entries(calls).map(([operationId, call]) => [call, operationId]));
  return {
    route: <const D extends AdminCallDescription>(
      description: D,
      handle: (call: AdminCall<D>) => Promise<AdminAnswer<D>>,
    ): void => {
      const operationId = unbound.get(description);
      if (operationId === undefined) {
        throw new Error(`${description.method} ${description.path} is bound already, or not described`);
      }
      unbound.delete(description);
      const path = description.path.replaceAll(/\{(\w+)\}/g, ':$1');
      router.register(path, [description.method], ctx => serve(ctx, operationId, description, handle));
    },
    routes: () => {
      const [missing] = unbound.values();
      if (missing !== undefined) throw new Error(`nothing is bound to ${missing}`);
      const serveCalls = router.routes();
      return Object.assign<typeof serveCalls, object>(
        (ctx, next) => serveCalls(ctx, () => refuseOtherMethod(ctx, next)),
        { router },
      );
    },
  };

  function refuseOtherMethod(ctx: Context, next: Next): Promise<unknown> {
    const methods = new Set(router.match(ctx.path, ctx.method).path.flatMap(layer => layer.methods));
    if (methods.size === 0) return next();
    refuseMethod(ctx, methods);
    return Promise.resolve();
  }

  async function serve<D extends AdminCallDescription>(
    ctx: Context,
    operationId: string,
    description: D,
    handle: (call: AdminCall<D>) => Promise<AdminAnswer<D>>,
  ): Promise<void> {
    let origin = ctx.state['origin'] as Origin;
    try {
      const authority = await authenticateAdmin(deps, ctx, deps.issuer, origin);
      const authorised = { ...origin, ...authority };
      origin = authorised;
      if (description.scope !== 'any') assertAdminScope(authority, description.scope);
      const call = await readCall(ctx, description, authorised);
      const answer = await answerCall(ctx, operationId, description, call, handle);
      if (description.method === 'GET') {
        assertMet(readIfMatch(ctx.headers['if-match']), answer.version, ctx.headers['if-match'] ?? '');
      }
      send(ctx, description, answer, `${deps.issuer.origin}${prefix}`);
    } catch (error) {
      if (error instanceof Refused) await recordRefusal(deps, ctx, origin, error);
      if (error instanceof Refused && error.reason === ('token-not-live' satisfies AdminAuthRefusal)) {
        await deps.limits.noteFailure('', origin);
      }
      throw error;
    }
  }

  /** Has a call answered; where it makes something under an `Idempotency-Key`, once. */
  async function answerCall<D extends AdminCallDescription>(
    ctx: Context,
    operationId: string,
    description: D,
    call: ReadCall<D>,
    handle: (call: AdminCall<D>) => Promise<AdminAnswer<D>>,
  ): Promise<CheckedAnswer> {
    const check = (answer: AdminAnswer<D>): CheckedAnswer => ({
      ...answer,
      body: checkAnswer(operationId, description, answer.body),
    });
    const run = async (keeping: unknown): Promise<CheckedAnswer> =>
      check(await handle({ ...call, keeping } as AdminCall<D>));
    if (!makesSomething(description)) return run(undefined);
    const request = idempotentRequest(ctx.headers['idempotency-key'] as string | undefined, {
      client: call.origin.client ?? '',
      method: ctx.method,
      path: ctx.path,
      body: call.body,
    });
    if (!request) return run((port: object) => port);
    const answered = await answerOnce(deps.idempotency, request, call.origin.now, (keeping: Keeping) =>
      run((port: object, answerTo: (records: readonly never[]) => AdminAnswer<D>) =>
        keeping(port, (records: readonly never[]) => JSON.stringify(check(answerTo(records)))),
      ),
    );
    if ('made' in answered) return answered.made;
    ctx.set('Idempotency-Replayed', 'true');
    return JSON.parse(answered.kept) as CheckedAnswer;
  }
}

/** What is read of a request. */
type ReadCall<D extends AdminCallDescription> = Omit<AdminCall<D>, 'keeping'>;

/** An answer that is what was described. */
interface CheckedAnswer {
  readonly body: unknown;
  readonly version?: number;
  readonly location?: string;
}

async function readCall<D extends AdminCallDescription>(
  ctx: Context,
  description: D,
  origin: AuthorisedOrigin,
): Promise<ReadCall<D>> {
  const params = parseInput(closedObject(description.params ?? {}), ctx['params'] ?? {});
  const query = parseInput(description.query ?? NOTHING, readQuery(ctx));
  const body = (await readBody(ctx, description)) as BodyOf<D>;
  return {
    origin,
    params: params as ParamsOf<D>,
    query: query as QueryOf<D>,
    body,
    ifMatch: conditionOf(ctx, description) as AdminCall<D>['ifMatch'],
  };
}

/** The body as it was sent, once it is known to fit. A call that takes none, or may have none, takes an empty one, or `{}`. */
async function readBody(
  ctx: Context,
  { body: schema, bodyOptional }: Pick<AdminCallDescription, 'body' | 'bodyOptional'>,
): Promise<unknown> {
  if ((!schema || bodyOptional) && !hasBody(ctx)) return schema && {};
  const body = await readJson(ctx);
  parseInput(schema ?? NOTHING, body);
  return body;
}

function hasBody(ctx: Context): boolean {
  const length = ctx.headers['content-length'];
  return ctx.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** What is described is what is sent: more would be a leak, less a broken promise, and either is a defect of ours. */
function checkAnswer<D extends AdminCallDescription>(
  operationId: string,
  description: D,
  body: AnswerOf<D>,
): unknown {
  const checked = description.answer.safeParse(body);
  if (checked.success) return checked.data;
  // The path alone: the value may be what must not be seen.
  const paths = checked.error.issues.map(({ code, path }) => `${path.join('.') || 'the whole'} (${code})`);
  throw new Error(`the answer of ${operationId} is not what is described: ${paths.join(', ')}`);
}

async function recordRefusal(
  deps: AdminRouterDeps,
  ctx: Context,
  origin: Origin,
  refusal: Refused,
): Promise<void> {
  const event: AuditEvent = {
    type: 'admin.refused',
    outcome: 'refused',
    reason: refusal.reason,
    ...eventOrigin(origin),
    detail: {
      method: ctx.method,
      path: shown(ctx.path),
      ...(refusal instanceof AuthorityEnded && { ended: refusal.ended }),
    },
  };
  if (origin.client === undefined) await deps.refusals.note(event);
  else {
    const events = deps.refusals.take(event);
    if (events.length > 0) await deps.audit.commit({ changes: [], events });
  }
}

function send(
  ctx: Context,
  description: AdminCallDescription,
  { body, version, location }: CheckedAnswer,
  base: string,
): void {
  ctx.status = description.status ?? 200;
  ctx.set('Cache-Control', 'no-store');
  if (version !== undefined) ctx.set('ETag', `"${version}"`);
  if (location !== undefined) ctx.set('Location', base + location);
  ctx.type = 'application/json';
  ctx.body = JSON.stringify(body);
}

/** Every parameter once and as text: no lists, no nesting, no operators in names. */
function readQuery(ctx: Context): Readonly<Record<string, string>> {
  const parameters = [...new URLSearchParams(ctx.querystring)];
  const names = new Set<string>();
  for (const [name] of parameters) {
    if (names.has(name)) throw new Refused<BodyRefusal>('duplicate-parameter', { parameter: shown(name) });
    names.add(name);
  }
  return Object.fromEntries(parameters);
}

/** The condition that the request makes. On what is no single record, it is evaluated at once. */
function conditionOf(ctx: Context, description: AdminCallDescription): IfMatch | undefined {
  const sent = ctx.headers['if-match'];
  const condition = readIfMatch(sent);
  if (description.ifMatch && condition === undefined) {
    throw new Refused<AdminCallRefusal>('version-required', {
      parameter: 'If-Match',
      permitted: ['the ETag of the record that the change is made to, like "3"'],
    });
  }
  const isAboutRecord = description.ifMatch || description.mayMatch || description.etag;
  const isMade = description.status === 201 && !description.mayMatch;
  if (!isAboutRecord || isMade) assertMet(condition, undefined, sent ?? '');
  return condition;
}
