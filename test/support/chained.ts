import {
  type AuditEvent,
  type AuditRow,
  canonicalEvent,
  chainEvent,
  type LaneHead,
} from '../../src/audit/index.ts';

/** The row that an event becomes at the end of a lane. */
export function chained(head: LaneHead, event: AuditEvent): AuditRow {
  return chainEvent(head, canonicalEvent(event));
}
