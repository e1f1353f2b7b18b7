import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import type { AdminAnswer, AdminCall, AdminScope, AdminShell } from '../admin-shell.ts';
import { type AuditEvent, type CommitPort, eventOrigin, type Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { closedObject, type InputRefusal, parseInput, shown } from '../input.ts';
import type { TokenLookupDeps } from '../tokens/index.ts';
import { assertAdminScope, authenticateAdmin } from './admin-auth.ts';
import type { BodyRefusal } from './form.ts';
import { readJson } from './json.ts';

export type AdminCallRefusal = 'route-unknown' | 'version-required';

export interface AdminShellDeps extends TokenLookupDeps {
  readonly issuer: URL;
  readonly audit: CommitPort<never>;
  /** Takes the record of a refusal to somebody unknown; alike ones are counted, so that nobody can fill the disk. */
  readonly refusals: { note(event: AuditEvent): Promise<void> };
}

const ID = /^[a-z]{2,8}_[0-9a-f]{32}$/;
const ETAG = /^"([1-9]\d{0,14})"$/;
const NO_QUERY = closedObject({});

/** The path below which our own API is, with the issuer's path before it. */
export function adminApiPath(issuer: URL): string {
  return `${issuer.pathname === '/' ? '' : issuer.pathname}/api`;
}

/** Whether a path is the API's or below it: there, errors are problems (RFC 9457). */
export function isAdminApi(path: string, issuer: URL): boolean {
  const base = adminApiPath(issuer);
  return path === base || path.startsWith(`${base}/`);
}

/** The shell of the admin API: what is the same for every call, in one place; see `AdminShell`. */
export function createAdminShell(deps: AdminShellDeps): AdminShell {
  const base = `${deps.issuer.origin}${adminApiPath(deps.issuer)}/v1/`;
  return {
    endpoint: <Schema extends z.ZodType>(
      scope: AdminScope,
      handle: (call: AdminCall<z.output<Schema>>) => Promise<AdminAnswer>,
      query?: Schema,
    ): Middleware =>
      async function adminEndpoint(ctx: Context): Promise<void> {
        let origin = ctx.state['origin'] as Origin;
        try {
          const authority = await authenticateAdmin(deps, ctx, deps.issuer, origin);
          origin = { ...origin, ...authority };
          assertAdminScope(authority, scope);
          const answer = await handle({
            ctx,
            origin,
            query: parseInput(query ?? (NO_QUERY as unknown as Schema), readQuery(ctx)),
            id: readId(ctx),
            readJson: () => readJson(ctx),
            ifVersion: () => readIfMatch(ctx),
          });
          send(ctx, answer, base);
        } catch (error) {
          if (error instanceof Refused) await recordRefusal(deps, ctx, origin, error);
          throw error;
        }
      },
  };
}

async function recordRefusal(
  deps: AdminShellDeps,
  ctx: Context,
  origin: Origin,
  refusal: Refused,
): Promise<void> {
  const event: AuditEvent = {
    type: 'admin.refused',
    outcome: 'refused',
    reason: refusal.reason,
    ...eventOrigin(origin),
    detail: { method: ctx.method, path: shown(ctx.path) },
  };
  if (origin.client === undefined) await deps.refusals.note(event);
  else await deps.audit.commit({ changes: [], events: [event] });
}

function send(ctx: Context, answer: AdminAnswer, base: string): void {
  ctx.status = answer.status ?? 200;
  ctx.set('Cache-Control', 'no-store');
  if (answer.version !== undefined) ctx.set('ETag', `"${answer.version}"`);
  if (answer.location !== undefined) ctx.set('Location', base + answer.location);
  ctx.type = 'application/json';
  ctx.body = JSON.stringify(answer.body);
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

function readId(ctx: Context): string {
  const id = (ctx['params'] as Readonly<Record<string, string>> | undefined)?.['id'];
  if (id === undefined) return '';
  if (ID.test(id)) return id;
  throw new Refused<InputRefusal>('input-invalid', {
    parameter: 'id',
    sent: shown(id),
    permitted: ['a kind, _ and 32 hexadecimal digits in lower case'],
  });
}

function readIfMatch(ctx: Context): number {
  const sent = ctx.headers['if-match'];
  const version = ETAG.exec(sent ?? '')?.[1];
  if (version !== undefined) return Number(version);
  throw new Refused<AdminCallRefusal>('version-required', {
    parameter: 'If-Match',
    ...(sent !== undefined && { sent: shown(sent) }),
    permitted: ['the ETag of the record that the change is made to, like "3"'],
  });
}
