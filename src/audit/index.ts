/**
 * The append-only record of every decision, and its verification.
 *
 * Capabilities describe what happened as events; the store appends them in the same commit as the change they describe. Each
 * process writes one lane: a chain in which every row holds the SHA-256 of the row before. What removes authority is never
 * acknowledged before its row is durable.
 *
 * Not here: operational logs, which may be lost, and metrics.
 */
export type { IfMatch, ManagedRecord } from '../managed-record.ts';
export {
  type AuthorisedOrigin,
  type Authority,
  COUNTED,
  type HeldAuthority,
  type HoldingPass,
  type NoAuthority,
  type Origin,
  TAKES_AWAY,
  WITHOUT_END_MS,
} from '../origin.ts';
export {
  AUDIT_EVENTS,
  type AuditEvent,
  type AuditEventType,
  eventOrigin,
} from './audit-event.ts';
export type { AuditStore, RowsRequest } from './audit-store.ts';
export {
  AuthorityEnded,
  type AuthorityRefusal,
  assertAuthorityHeld,
  findEndedHandle,
} from './authority.ts';
export { canonicalEvent } from './canonical-event.ts';
export { type AuditRow, chainEvent, chainHash, emptyLane, type LaneHead } from './chain.ts';
export { applyChanges, changedFields } from './changes.ts';
export {
  type BadCheckpointCause,
  type Checkpoint,
  type CheckpointFigures,
  type CheckpointOptions,
  type CheckpointReport,
  type Checkpoints,
  startCheckpoints,
  verifyCheckpoints,
} from './checkpoint.ts';
export { CLOCK_RETRY_SECONDS, type ClockRefusal, refuseWhileAhead } from './clock-refusal.ts';
export { type Cuts, digestOfCuts, type LaneCut, type MoveCuts, readCutsLine } from './cut.ts';
export {
  type CheckpointDelivery,
  type DeliveryFigures,
  type DeliveryOptions,
  startDelivery,
} from './deliver-checkpoints.ts';
export { renderAuditPage } from './describe-events.ts';
export { facetsOfEvent } from './event-facets.ts';
export { formatAuditRow } from './format-event.ts';
export { type KeepPrunedOptions, keepPruned } from './keep-pruned.ts';
export { type EventQuery, type FoundRow, listEvents } from './list-events.ts';
export { RefusalCounter, type RefusalCounterOptions, type RefusedParty } from './refusal-counter.ts';
export { refusedRequestOf } from './refused-request.ts';
export { REMOVALS, type Removal } from './removals.ts';
export { pruneTrail, type RetentionStore } from './retention.ts';
export {
  assertVersion,
  type Freshness,
  isMet,
  type Revision,
  type RevisionRefusal,
  reviseRecord,
} from './revise-record.ts';
export { type AuditRowView, auditRoutes } from './routes.ts';
export {
  decidedAt,
  fileTrail,
  readExportEnd,
  rowsOf,
  storeTrail,
  type Trail,
  type TrailRange,
  trailLines,
} from './trail.ts';
export type {
  CommitOutcome,
  CommitPort,
  Conflict,
  ExpectVersion,
  InsertRecord,
  RecordChange,
  ReplaceRecord,
  Uncommitted,
  Unit,
} from './unit-of-commit.ts';
export {
  type BadRow,
  type BadRowCause,
  type CheckpointedHeads,
  type LaneReport,
  type TrailReport,
  verifyTrail,
} from './verify-trail.ts';
