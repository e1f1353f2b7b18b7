import type { AuditEvent, AuditEventType } from './audit-event.ts';

/** Events that are most of a busy trail. They are not filed: what every token costs is no place for an index. */
const UNFILED: ReadonlySet<AuditEventType> = new Set(['token.issued', 'token.revoked']);
/** `type` comes last in canonical JSON, so that a look at the end of the text tells, and nothing has to be parsed. */
const UNFILED_ENDS = [...UNFILED].map(type => `"type":"${type}"}`);

/** What stops a record with everything that it holds or stands for, and what lets it go on. */
export const KILL_EVENTS = [
  'agent.killed',
  'agent.retired',
  'agent.restored',
  'agent.tokens-revoked',
  'person.killed',
  'person.restored',
  'resource.killed',
  'resource.restored',
  'key.killed',
] as const satisfies readonly AuditEventType[];

/** By what events are found. */
export const EVENT_FACETS = {
  type: (type: AuditEventType): string => `type ${type}`,
  /** Who asked, or acted for whom asked. */
  actor: (id: string): string => `actor ${id}`,
  target: (id: string): string => `target ${id}`,
  kill: 'kill',
};

/** Whether events of a type are found by what they are, and not only by when they were. */
export function isFiledType(type: AuditEventType): boolean {
  return !UNFILED.has(type);
}

/**
 * Everything by which an event is found; nothing for those that are not filed.
 *
 * @param event the event, or the text that holds it: canonical JSON of the event, or the body of its row
 */
export function facetsOfEvent(event: AuditEvent | string): readonly string[] {
  if (typeof event === 'string' && UNFILED_ENDS.some(end => event.endsWith(end))) return [];
  const { type, client, actor = [], target, outcome } = typeof event === 'string' ? readEvent(event) : event;
  if (UNFILED.has(type)) return [];
  const actors = new Set([...(client === undefined ? [] : [client]), ...actor]);
  return [
    EVENT_FACETS.type(type),
    ...[...actors].map(EVENT_FACETS.actor),
    ...(target === undefined ? [] : [EVENT_FACETS.target(target)]),
    ...(outcome === 'done' && (KILL_EVENTS as readonly string[]).includes(type) ? [EVENT_FACETS.kill] : []),
  ];
}

function readEvent(text: string): AuditEvent {
  const value = JSON.parse(text) as AuditEvent | { readonly event: AuditEvent };
  return 'event' in value ? value.event : value;
}
