import { identifierKey } from '../resources/resource.ts';
import type { Elevation, ElevationStatus } from './elevation.ts';

/** By what elevations are found. */
export const ELEVATION_FACETS = {
  status: (status: ElevationStatus): string => `status ${status}`,
  approver: (id: string): string => `approver ${id}`,
  agent: (id: string): string => `agent ${id}`,
  subject: (id: string): string => `subject ${id}`,
  resource: (identifier: string): string => `resource ${identifierKey(identifier)}`,
  /** Its end has still to be recorded: it waits, is approved, or its token may live. */
  open: 'open',
};

/** Everything by which an elevation is found. */
export function elevationFacets(elevation: Elevation): readonly string[] {
  const { status, approverId, agentId, subject, resource } = elevation;
  return [
    ELEVATION_FACETS.status(status),
    ELEVATION_FACETS.approver(approverId),
    ELEVATION_FACETS.agent(agentId),
    ELEVATION_FACETS.subject(subject),
    ELEVATION_FACETS.resource(resource),
    ...(isOpen(elevation) ? [ELEVATION_FACETS.open] : []),
  ];
}

/** What only one elevation may have at a time: of those that do not wait, none has it. */
export function pendingKeyOf({
  status,
  askDigest,
}: Pick<Elevation, 'status' | 'askDigest'>): string | undefined {
  return status === 'pending' ? askDigest : undefined;
}

function isOpen({ status, endedAt }: Elevation): boolean {
  return status === 'pending' || status === 'approved' || (status === 'redeemed' && endedAt === undefined);
}
