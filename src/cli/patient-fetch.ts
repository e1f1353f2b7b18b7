import { setTimeout as delay } from 'node:timers/promises';
import { fetchNamingUrl } from './open-client.ts';

const MAX_PAUSES = 5;
const MAX_PAUSE_SECONDS = 30;

/** What tells the time and lets it go by. */
export interface Timer {
  /** Milliseconds that only grow. */
  now(): number;
  /** Resolves when that many of them are over; throws when the signal says so. */
  pause(ms: number, signal: AbortSignal | null | undefined): Promise<void>;
}

const SYSTEM_TIMER: Timer = {
  now: () => performance.now(),
  pause: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};

/**
 * A `fetch` for many requests at once: where the server says that they are too many, or that it cannot answer now, all of them
 * wait as long as it asks for, and what was refused is sent again. It was refused before anything was done, so that is safe.
 */
export function patientFetch(timer: Timer = SYSTEM_TIMER): typeof fetch {
  let resumeAt = 0;
  return async (url, init) => {
    for (let pauses = 0; ; pauses += 1) {
      const left = resumeAt - timer.now();
      if (left > 0) await timer.pause(left, init?.signal);
      const response = await fetchNamingUrl(url, init);
      const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
      const isBusy = response.status === 429 || response.status === 503;
      if (!isBusy || !(seconds >= 0 && seconds <= MAX_PAUSE_SECONDS) || pauses === MAX_PAUSES)
        return response;
      await response.body?.cancel();
      resumeAt = Math.max(resumeAt, timer.now() + seconds * 1_000);
    }
  };
}
