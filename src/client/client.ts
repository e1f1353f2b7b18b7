import { ADMIN_CALLS } from '../admin-api/calls.ts';
import type { AdminCallDescription } from '../admin-api/index.ts';
import { AccessTokens } from './access-tokens.ts';
import type { CallMethod, CallOptions } from './call-types.ts';
import type { ClientOptions } from './client-options.ts';
import { type PageOf, pagesOf } from './pages.ts';
import { ProblemError, readRefusal } from './refusals.ts';
import { type Send, sendAgainOnce, sender } from './send.ts';

/** One method for each call of the admin API. */
export type AdminClient = {
  readonly [OperationId in keyof typeof ADMIN_CALLS]: CallMethod<(typeof ADMIN_CALLS)[OperationId]>;
};

const DEFAULT_TIMEOUT_MS = 30_000;

type Arguments = Readonly<Record<string, unknown>>;

/**
 * Makes a client of the admin API of one server.
 *
 * - A method throws `ProblemError` when the API refuses, `TokenError` when it gets no token, and what `fetch` throws when the
 *   server cannot be reached.
 * - A GET or a POST is sent once more when the connection fails or the server asks for it; the server tells by the
 *   `Idempotency-Key` that it is the same POST. A PATCH names its version, and is not sent again.
 * - A token that is not accepted any more is replaced once.
 */
export function createClient(options: ClientOptions): AdminClient {
  const issuer = String(options.issuer).replace(/\/$/, '');
  const send = sender(options.fetch ?? fetch, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const tokens = new AccessTokens(issuer, options, send);
  const api = { base: `${issuer}/api/v1`, send, tokens };
  const methods = Object.entries(ADMIN_CALLS).map(([operationId, description]) => [
    operationId,
    (args: Arguments = {}, callOptions: CallOptions = {}) => {
      const get = (after?: string): Promise<unknown> =>
        makeCall(api, description, after === undefined ? args : { ...args, after }, callOptions);
      return 'paged' in description ? pagesOf(get as () => Promise<PageOf<unknown>>) : get();
    },
  ]);
  return Object.fromEntries(methods) as AdminClient;
}

interface Api {
  readonly base: string;
  readonly send: Send;
  readonly tokens: AccessTokens;
}

async function makeCall(
  { base, send, tokens }: Api,
  description: AdminCallDescription,
  args: Arguments,
  { signal, idempotencyKey }: CallOptions,
): Promise<unknown> {
  assertNothingElse(description, args);
  const { method, scope } = description;
  const url = base + pathOf(description, args) + queryOf(description, args);
  const headers: Record<string, string> = {
    Accept: 'application/json, application/problem+json',
    ...(args['body'] !== undefined && { 'Content-Type': 'application/json' }),
    ...((description.ifMatch || args['version'] !== undefined) && { 'If-Match': `"${args['version']}"` }),
    ...(method === 'POST' && { 'Idempotency-Key': `"${idempotencyKey ?? crypto.randomUUID()}"` }),
  };
  const request = (token: string): Promise<Response> =>
    send(url, {
      method,
      headers: { ...headers, Authorization: `Bearer ${token}` },
      ...(args['body'] !== undefined && { body: JSON.stringify(args['body']) }),
      ...(signal && { signal }),
    });
  const attempt = (token: string): Promise<Response> =>
    method === 'PATCH' ? request(token) : sendAgainOnce(() => request(token), signal);

  const token = await tokens.get(scope);
  let response = await attempt(token);
  if (response.status === 401 && tokens.isRenewable) {
    await response.body?.cancel();
    await tokens.forget(scope, token);
    response = await attempt(await tokens.get(scope));
  }
  if (!response.ok) throw await readRefusal(response, ProblemError);
  return response.json();
}

function pathOf({ path }: AdminCallDescription, args: Arguments): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (typeof args[name] !== 'string' || args[name] === '') throw new TypeError(`${name} is missing`);
    return encodeURIComponent(args[name]);
  });
}

function queryOf({ query }: AdminCallDescription, args: Arguments): string {
  const given = new URLSearchParams();
  for (const name of Object.keys(query?.shape ?? {})) {
    if (args[name] !== undefined) given.append(name, String(args[name]));
  }
  return given.size === 0 ? '' : `?${given}`;
}

/** A misspelt filter would otherwise be no filter. */
function assertNothingElse(description: AdminCallDescription, args: Arguments): void {
  const known = new Set([
    ...Object.keys(description.params ?? {}),
    ...Object.keys(description.query?.shape ?? {}),
    ...(description.body ? ['body'] : []),
    ...(description.ifMatch || description.mayMatch ? ['version'] : []),
  ]);
  const unknown = Object.keys(args).find(name => !known.has(name));
  if (unknown === undefined) return;
  throw new TypeError(
    `${unknown} is not an argument of this call, which takes: ${[...known].join(', ') || 'none'}`,
  );
}
