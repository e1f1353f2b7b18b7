import { type Exchange, watchedFetch } from './exchange.ts';
import { claim } from './narrator.ts';

/** What came of something that may be refused. */
export async function outcomeOf(
  work: Promise<unknown>,
): Promise<{ readonly isDone: boolean; readonly text: string }> {
  return work.then(
    value => ({ isDone: true, text: String(value) }),
    error => ({ isDone: false, text: String(error) }),
  );
}

/** One request, and what came back. */
export async function request(
  url: string | URL,
  init: RequestInit,
  via: typeof fetch = fetch,
): Promise<Exchange> {
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  await watchedFetch(resolve, via)(url, init);
  return promise;
}

/** A tool call without the SDK's help, to see the bare answer. */
export function callBare(url: URL, token: string | undefined): Promise<Exchange> {
  return request(url, {
    method: 'POST',
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'find_order', arguments: { number: '1001' } },
    }),
  });
}

export interface ClientSecret {
  readonly id: string;
  readonly secret: string;
}

/** Who administers the server, and how they reach it. */
export interface Administrator {
  readonly issuer: string;
  readonly admin: ClientSecret;
  readonly via: typeof fetch;
}

/** A token for one thing that an administrator does, as a header. */
export async function administratorHeaders(
  { issuer, admin, via }: Administrator,
  scope: string,
): Promise<Readonly<Record<string, string>>> {
  const { status, json } = await request(
    `${issuer}/token`,
    {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${admin.id}:${admin.secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
    },
    via,
  );
  claim(status === 200, `the administrator's request for a token was answered with ${status}`);
  return { Authorization: `Bearer ${json?.['access_token']}` };
}

/** One call of the admin API. */
export async function administer(
  administrator: Administrator,
  scope: string,
  path: string,
): Promise<Exchange> {
  const headers = await administratorHeaders(administrator, scope);
  return request(`${administrator.issuer}/api/v1${path}`, { method: 'POST', headers }, administrator.via);
}
