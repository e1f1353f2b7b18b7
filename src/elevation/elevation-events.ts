import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import type { Elevation, ElevationStatus } from './elevation.ts';

/** How the trail calls what has become of an elevation. */
const CLOSED = {
  denied: 'elevation.denied',
  cancelled: 'elevation.cancelled',
  expired: 'elevation.expired',
  revoked: 'elevation.revoked',
  redeemed: 'elevation.ended',
} as const satisfies Partial<Record<ElevationStatus, AuditEvent['type']>>;

/** That an elevation is over, and why. */
export function closedEvent(
  elevation: Elevation,
  origin: Origin,
  detail: Readonly<Record<string, string>> = {},
): AuditEvent {
  const { status, denial, cancelReason, epoch } = elevation;
  return {
    type: CLOSED[status as keyof typeof CLOSED],
    outcome: 'done',
    ...aboutElevation(elevation, origin),
    detail: {
      agent: elevation.agentId,
      approver: elevation.approverId,
      epoch,
      ...(denial && { by: denial.by, reason: denial.reason }),
      ...(cancelReason && { reason: cancelReason }),
      ...(elevation.redeemed && { jti: elevation.redeemed.jti }),
      ...detail,
    },
  };
}

/** What every event of an elevation says of it. */
export function aboutElevation(
  { id, subject, resource, scopes }: Elevation,
  origin: Origin,
): Pick<AuditEvent, 'at' | 'requestId' | 'target' | 'resource' | 'scope' | 'subject'> & Partial<AuditEvent> {
  return { ...eventOrigin(origin), subject, target: id, resource, scope: scopes.join(' ') };
}
