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

/** How often it is asked whether the first request has been answered meanwhile. */
const MAX_ASKED = 30;

/**
 * Sends a request that may be sent twice, and once more when the connection fails, or when the server asks to come back soon
 * (503 with Retry-After). Where the first is being answered still (409 with Retry-After), it is waited for.
 */
export async function sendAgainOnce(send: () => Promise<Response>, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await send();
  } catch (error) {
    // fetch throws a TypeError for whatever went wrong on the way; an abort or a timeout is none.
    if (!(error instanceof TypeError) || signal?.aborted) throw error;
    await delay(PAUSE_AFTER_LOST_CONNECTION_MS, undefined, signal && { signal });
    return onceFirstIsAnswered(await send(), send, signal);
  }
  if (response.status === 503 && (await hasWaited(response, signal))) response = await send();
  return onceFirstIsAnswered(response, send, signal);
}

async function onceFirstIsAnswered(
  first: Response,
  send: () => Promise<Response>,
  signal: AbortSignal | undefined,
): Promise<Response> {
  let response = first;
  for (let asked = 0; response.status === 409 && asked < MAX_ASKED; asked += 1) {
    if (!(await hasWaited(response, signal))) break;
    response = await send();
  }
  return response;
}

/** Waits as long as the server asks for, where that is soon. */
async function hasWaited(response: Response, signal: AbortSignal | undefined): Promise<boolean> {
  const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
  if (!(wait >= 0 && wait <= MAX_WAIT_SECONDS)) return false;
  await response.body?.cancel();
  await delay(wait * 1000, undefined, signal && { signal });
  return true;
}
