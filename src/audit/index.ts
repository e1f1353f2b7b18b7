/**
 * The append-only record of every decision, and its verification.
 *
 * Capabilities describe what happened as events; the store appends them in the same commit as the change they describe. Each
 * process writes one lane: a chain in which every row holds the SHA-256 of the row before. What removes authority is never
 * acknowledged before its row is durable.
 *
 * Not here: operational logs, which may be lost, and metrics.
 */
export {
  AUDIT_EVENTS,
  type AuditEvent,
  type AuditEventType,
  eventOrigin,
  type Origin,
} from './audit-event.ts';
export type { AuditStore } from './audit-store.ts';
export { type AuditRow, chainEvent, chainHash, emptyLane, type LaneHead } from './chain.ts';
export {
  type BadCheckpointCause,
  type Checkpoint,
  type CheckpointOptions,
  type CheckpointReport,
  type Checkpoints,
  startCheckpoints,
  verifyCheckpoints,
} from './checkpoint.ts';
export { renderAuditPage } from './describe-events.ts';
export { formatAuditRow } from './format-event.ts';
export { RefusalCounter, type RefusalCounterOptions } from './refusal-counter.ts';
export {
  assertVersion,
  type Freshness,
  type Revision,
  type RevisionRefusal,
  reviseRecord,
} from './revise-record.ts';
export { type AuditRowView, auditRoutes } from './routes.ts';
export { fileTrail, storeTrail, type Trail, trailLines } from './trail.ts';
export type {
  CommitOutcome,
  CommitPort,
  Conflict,
  InsertRecord,
  ManagedRecord,
  RecordChange,
  ReplaceRecord,
  Unit,
} from './unit-of-commit.ts';
export { untrustedText, visibleText } from './untrusted-text.ts';
export {
  type BadRow,
  type BadRowCause,
  type CheckpointedHeads,
  type LaneReport,
  type TrailReport,
  verifyTrail,
} from './verify-trail.ts';
