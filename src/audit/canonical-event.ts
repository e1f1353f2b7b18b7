import canonicalize from 'canonicalize';
import type { AuditEvent } from './audit-event.ts';

/**
 * Canonical JSON (RFC 8785) of an event. Every token waits for this, and the library takes four times as long as `JSON.stringify`,
 * which writes text and numbers as the RFC asks and leaves out what is undefined. So the members are put in order here; whatever is
 * not as plain as the event of a token is left to the library.
 *
 * @throws {Error} for text with half a character, and numbers that JSON has not
 */
export function canonicalEvent(event: AuditEvent): string {
  if (event.detail && !areInOrder(Object.keys(event.detail))) return byLibrary(event);
  const inOrder: Record<keyof AuditEvent, unknown> = {
    actor: event.actor,
    address: event.address,
    at: event.at,
    client: event.client,
    count: event.count,
    detail: event.detail,
    jti: event.jti,
    outcome: event.outcome,
    reason: event.reason,
    requestId: event.requestId,
    resource: event.resource,
    scope: event.scope,
    subject: event.subject,
    target: event.target,
    type: event.type,
  };
  const text = JSON.stringify(inOrder);
  // What the library would refuse is written as an escape, or as null.
  return text.includes('\\ud') || text.includes(':null') ? byLibrary(event) : text;
}

/** Only nothing at all has no text. */
const byLibrary = (event: AuditEvent): string => canonicalize(event) as string;

function areInOrder(names: readonly string[]): boolean {
  return names.every((name, index) => index === 0 || (names[index - 1] as string) < name);
}
