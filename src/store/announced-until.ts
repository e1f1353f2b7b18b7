const DAY_MS = 24 * 3_600_000;
/** The deployment's own epoch is never forgotten: it says whether anything may be granted. The year 9999. */
const FOREVER_MS = 253_402_300_799_000;

/**
 * Until when a changed record is announced, and the epoch that it was raised to is known: longer than anything can live that carries
 * an older one. Tokens live for an hour at most and sessions for half a day, but enrolment links, which hang on a person and what
 * they sign in with, for a week.
 *
 * @param nowMs milliseconds since the epoch
 * @returns milliseconds since the epoch
 */
export function announcedUntil(collection: string, nowMs: number): number {
  switch (collection) {
    case 'deployment':
      return FOREVER_MS;
    case 'person':
    case 'person-credential':
      return nowMs + 8 * DAY_MS;
    default:
      return nowMs + DAY_MS;
  }
}
