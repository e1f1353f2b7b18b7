import { isTooFarAhead } from '../clock.ts';
import { Refused } from '../errors.ts';
import type { Origin } from '../origin.ts';
import { type AuditEvent, eventOrigin } from './audit-event.ts';

/** The machine's clock was set back too far: nothing is issued, signed in to or approved until it is right (I18). */
export type ClockRefusal = 'clock-ahead';

/** Somebody has to set a clock: nobody needs to ask again sooner. */
export const CLOCK_RETRY_SECONDS = 30;

/**
 * Keeps authority from being made while our time is too far ahead of the machine's clock. What takes authority away, and what asks
 * about it, does not call this.
 *
 * @param refused what the trail calls it, and whom it is about; alike ones are counted
 * @returns nothing, at once, where it may go on; otherwise a promise of the refusal
 */
export function refuseWhileAhead(
  refusals: { note(event: AuditEvent): Promise<void> },
  refused: Pick<AuditEvent, 'type' | 'client' | 'subject' | 'target'>,
  origin: Origin,
): Promise<never> | undefined {
  return isTooFarAhead(origin) ? refuse() : undefined;

  async function refuse(): Promise<never> {
    const reason: ClockRefusal = 'clock-ahead';
    await refusals.note({ ...refused, outcome: 'refused', reason, ...eventOrigin(origin) });
    throw new Refused<ClockRefusal>(reason, { retryAfterSeconds: CLOCK_RETRY_SECONDS });
  }
}
