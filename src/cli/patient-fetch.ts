import { setTimeout as delay } from 'node:timers/promises';
import { fetchNamingUrl } from './open-client.ts';

const MAX_PAUSES = 5;
const MAX_PAUSE_SECONDS = 30;

/**
 * A `fetch` for many requests at once: where the server says that they are too many, or that it cannot answer now, all of them
 * wait as long as it asks for, and what was refused is sent again. It was refused before anything was done, so that is safe.
 */
export function patientFetch(): typeof fetch {
  let resumeAt = 0;
  return async (url, init) => {
    for (let pauses = 0; ; pauses += 1) {
      await pauseUntil(resumeAt, init?.signal);
      const response = await fetchNamingUrl(url, init);
      const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
      const isBusy = response.status === 429 || response.status === 503;
      if (!isBusy || !(seconds >= 0 && seconds <= MAX_PAUSE_SECONDS) || pauses === MAX_PAUSES)
        return response;
      await response.body?.cancel();
      resumeAt = Math.max(resumeAt, performance.now() + seconds * 1_000);
    }
  };
}

async function pauseUntil(at: number, signal: AbortSignal | null | undefined): Promise<void> {
  const left = at - performance.now();
  if (left > 0) await delay(left, undefined, signal ? { signal } : {});
}
