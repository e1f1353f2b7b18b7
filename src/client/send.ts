import { setTimeout as delay } from 'node:timers/promises';

/** Makes a request. */
export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** A server that asks for more is not there soon enough to wait for it. */
const MAX_WAIT_SECONDS = 5;
const PAUSE_AFTER_LOST_CONNECTION_MS = 100;

/** Makes requests that end in time and follow no redirect: a token goes nowhere but where it was meant to go. */
export function sender(fetchIt: typeof fetch, timeoutMs: number): Send {
  return (url, init) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    return fetchIt(url, { ...init, signal, redirect: 'error' });
  };
}

/**
 * Sends a request that may be sent twice, and once more when the connection fails, or when the server asks to come back soon
 * (503 with Retry-After).
 */
export async function sendAgainOnce(send: () => Promise<Response>, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await send();
  } catch (error) {
    // fetch throws a TypeError for whatever went wrong on the way; an abort or a timeout is none.
    if (!(error instanceof TypeError) || signal?.aborted) throw error;
    await delay(PAUSE_AFTER_LOST_CONNECTION_MS, undefined, signal && { signal });
    return send();
  }
  const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
  if (response.status !== 503 || !(wait >= 0 && wait <= MAX_WAIT_SECONDS)) return response;
  await response.body?.cancel();
  await delay(wait * 1000, undefined, signal && { signal });
  return send();
}
