import type { Delegation, RecordedDelegationStatus } from './delegation.ts';
import type { DelegationTriple } from './delegation-store.ts';

/** By what delegations are found. */
export const DELEGATION_FACETS = {
  status: (status: RecordedDelegationStatus): string => `status ${status}`,
  person: (id: string): string => `person ${id}`,
  agent: (id: string): string => `agent ${id}`,
  resource: (id: string): string => `resource ${id}`,
};

/** Everything by which a delegation is found. */
export function delegationFacets(delegation: Delegation): readonly string[] {
  return [
    DELEGATION_FACETS.status(delegation.status),
    DELEGATION_FACETS.person(delegation.personId),
    DELEGATION_FACETS.agent(delegation.agentId),
    DELEGATION_FACETS.resource(delegation.resourceId),
  ];
}

/** What only one delegation may have at a time: of those that have ended, none has it. */
export function activeKeyOf(delegation: DelegationTriple & Pick<Delegation, 'status'>): string | undefined {
  return delegation.status === 'active' ? tripleKey(delegation) : undefined;
}

export function tripleKey({ personId, agentId, resourceId }: DelegationTriple): string {
  return `${personId} ${agentId} ${resourceId}`;
}
