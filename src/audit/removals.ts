import type { AuditEventType } from './audit-event.ts';

/**
 * What an event took away, in the terms in which it can be taken away once more: after a restore, a backup does not know of it.
 *
 * - `none`: nobody may do less because of it
 * - `by-restore`: every restore takes it away by itself, as it ends every token and voids whatever is pending
 * - `agent-narrowed`, `resource-narrowed`, `delegation-narrowed`: less is permitted, where the event says that it cut something off
 * - `…-credential`: a secret or key was replaced or withdrawn: those of the backup may be the ones that went
 * - the others: the record itself was closed
 */
export type Removal =
  | 'none'
  | 'by-restore'
  | 'delegation-ended'
  | 'delegation-narrowed'
  | 'agent-killed'
  | 'agent-retired'
  | 'agent-narrowed'
  | 'agent-credential'
  | 'person-killed'
  | 'person-changed'
  | 'person-credential'
  | 'resource-killed'
  | 'resource-narrowed'
  | 'resource-credential'
  | 'key-killed'
  | 'key-retired';

/**
 * Every type of event, classified: whoever adds one has to say what it takes away, or the compiler refuses. A wrong `none` would
 * let a restore bring back what had been taken away.
 */
export const REMOVALS = {
  'lane.opened': 'none',
  'client.authentication-refused': 'none',
  'client.keys-refused': 'none',
  'client.document-refused': 'none',
  'client.authorization-refused': 'none',
  'client.registered': 'none',
  'client.dpop-refused': 'none',
  'request.limited': 'none',
  'token.issued': 'none',
  'token.issue-refused': 'none',
  'token.revoked': 'by-restore',
  'grant.given': 'none',
  'grant.refused': 'none',
  'grant.ended': 'by-restore',
  'token.revocation-refused': 'none',
  'token.introspection-refused': 'none',
  'delegation.given': 'none',
  'delegation.replaced': 'delegation-narrowed',
  'delegation.give-refused': 'none',
  'delegation.ended': 'delegation-ended',
  'elevation.asked': 'none',
  'elevation.displayed': 'none',
  'elevation.approved': 'none',
  'elevation.decide-refused': 'none',
  'elevation.denied': 'by-restore',
  'elevation.cancelled': 'by-restore',
  'elevation.expired': 'by-restore',
  'elevation.redeemed': 'by-restore',
  'elevation.redeem-refused': 'none',
  'elevation.revoked': 'by-restore',
  'elevation.ended': 'none',
  'agent.created': 'none',
  'agent.updated': 'agent-narrowed',
  'agent.secret-issued': 'agent-credential',
  'agent.secret-revoked': 'agent-credential',
  'agent.key-added': 'agent-credential',
  'agent.key-revoked': 'agent-credential',
  'agent.tokens-revoked': 'by-restore',
  'agent.killed': 'agent-killed',
  'agent.retired': 'agent-retired',
  'agent.restored': 'none',
  'person.created': 'none',
  'person.updated': 'person-changed',
  'person.killed': 'person-killed',
  'person.restored': 'none',
  'person.invited': 'by-restore',
  'person.enrolment-refused': 'none',
  'person.enrolled': 'person-credential',
  'person.reset-opened': 'by-restore',
  'person.sign-in-refused': 'none',
  'person.sign-in-begun': 'by-restore',
  'person.factor-refused': 'none',
  'person.factor-locked': 'none',
  'person.signed-in': 'by-restore',
  'person.stepped-up': 'by-restore',
  'person.session-ended': 'by-restore',
  'person.sessions-ended': 'by-restore',
  'person.factor-set': 'person-credential',
  'person.factor-removed': 'person-credential',
  'person.credential-voided': 'person-credential',
  'person.credential-resealed': 'none',
  'resource.created': 'none',
  'resource.updated': 'resource-narrowed',
  'resource.secret-issued': 'resource-credential',
  'resource.secret-revoked': 'resource-credential',
  'resource.key-added': 'resource-credential',
  'resource.key-revoked': 'resource-credential',
  'resource.killed': 'resource-killed',
  'resource.restored': 'none',
  'key.created': 'none',
  'key.rotated': 'none',
  'key.rotation-ended': 'none',
  'key.activated': 'none',
  'key.retired': 'key-retired',
  'key.removed': 'key-retired',
  'key.resealed': 'none',
  'key.killed': 'key-killed',
  'deployment.created': 'none',
  'deployment.key-noted': 'none',
  'deployment.key-forgotten': 'none',
  'deployment.backed-up': 'none',
  'deployment.quarantined': 'by-restore',
  'deployment.clock-accepted': 'by-restore',
  'deployment.record-confirmed': 'none',
  'deployment.record-kept-closed': 'none',
  'deployment.opened': 'none',
  'deployment.request-refused': 'none',
  'audit.pruned': 'none',
  'admin.recovered': 'none',
  'admin.refused': 'none',
} as const satisfies Record<AuditEventType, Removal>;
