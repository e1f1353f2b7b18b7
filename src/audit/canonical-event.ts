import canonicalize from 'canonicalize';
import type { AuditEvent } from './audit-event.ts';

/**
 * Canonical JSON (RFC 8785) of an event. Every token waits for this, and the library takes three times as long as `JSON.stringify`,
 * which writes text and numbers as the RFC asks and leaves out what is undefined. So the members are put in order here; whatever is
 * not as plain as the event of a token is left to the library.
 *
 * @throws {Error} for text with half a character, and numbers that JSON has not
 */
export function canonicalEvent(event: AuditEvent): string {
  const detail = event.detail && inOrder(event.detail);
  if (detail && !areInOrder(Object.keys(detail))) return byLibrary(event);
  const members: Record<keyof AuditEvent, unknown> = {
    actor: event.actor,
    address: event.address,
    at: event.at,
    client: event.client,
    count: event.count,
    detail,
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
  const text = JSON.stringify(members);
  // What the library would refuse is written as an escape, or as null.
  return text.includes('\\ud') || text.includes(':null') ? byLibrary(event) : text;
}

/** Only nothing at all has no text. */
const byLibrary = (event: AuditEvent): string => canonicalize(event) as string;

/** In order as far as an object can have them so: numbers come first in any. */
function inOrder(members: object): object {
  if (areInOrder(Object.keys(members))) return members;
  return Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function areInOrder(names: readonly string[]): boolean {
  return names.every((name, index) => index === 0 || (names[index - 1] as string) < name);
}
