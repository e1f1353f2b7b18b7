/** The present, in milliseconds since the epoch. Passed in everywhere, so that tests can hold it still. */
export type Clock = () => number;

/** A signal that is aborted after so many milliseconds: the end of a wait for somebody else. Passed in, so that tests say when. */
export type Deadline = (ms: number) => AbortSignal;

export const systemDeadline: Deadline = ms => AbortSignal.timeout(ms);

/**
 * A clock that never runs backwards (I18): when the machine's clock is set back, time stands still here until it has caught up,
 * so that nothing which had expired lives again.
 */
export function forwardClock(source: Clock = Date.now): Clock {
  let latest = 0;
  return () => {
    const now = source();
    if (now > latest) latest = now;
    return latest;
  };
}

/** JWT and OAuth instants are whole seconds (RFC 7519 section 2, NumericDate). */
export function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
