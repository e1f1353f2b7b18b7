import type { AuditEvent } from './audit-event.ts';

/**
 * The request that was refused, by which its row is found again; undefined where the event records something that has happened.
 *
 * @param event the event, or the text that holds it: canonical JSON of the event, or the body of its row
 */
export function refusedRequestOf(event: AuditEvent | string): string | undefined {
  // Most events are done, and most of what is written waits for this.
  if (typeof event === 'string' && !event.includes('"outcome":"refused"')) return undefined;
  const { outcome, requestId } = typeof event === 'string' ? readEvent(event) : event;
  return outcome === 'refused' ? requestId : undefined;
}

function readEvent(text: string): AuditEvent {
  const value = JSON.parse(text) as AuditEvent | { readonly event: AuditEvent };
  return 'event' in value ? value.event : value;
}
