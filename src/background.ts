import { setTimeout } from 'node:timers/promises';

/** Work that recurs while the process runs. */
export interface Background {
  /** Ends it, after the run under way. */
  stop(): Promise<void>;
}

/**
 * Runs work again and again, with a pause between the end of one run and the start of the next, so that runs never overlap.
 *
 * @param pauseMs milliseconds
 * @param onError told of a failed run; the next one happens all the same
 */
export function recur(
  work: () => Promise<unknown>,
  pauseMs: number,
  onError: (error: unknown) => void,
): Background {
  const stopping = new AbortController();
  const pause = () =>
    setTimeout(pauseMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
  const loop = async (): Promise<void> => {
    for (;;) {
      await pause();
      if (stopping.signal.aborted) return;
      await work().catch(onError);
    }
  };
  const ended = loop();
  return {
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}
