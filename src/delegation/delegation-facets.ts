import { identifierKey } from '../resources/resource.ts';
import type { Delegation, RecordedDelegationStatus } from './delegation.ts';
import type { DelegationTriple } from './delegation-store.ts';

/** By what delegations are found. */
export const DELEGATION_FACETS = {
  status: (status: RecordedDelegationStatus): string => `status ${status}`,
  person: (id: string): string => `person ${id}`,
  agent: (id: string): string => `agent ${id}`,
  resource: (identifier: string): string => `resource ${identifierKey(identifier)}`,
};

/** Everything by which a delegation is found. */
export function delegationFacets({ status, personId, agentId, resource }: Delegation): readonly string[] {
  return [
    DELEGATION_FACETS.status(status),
    DELEGATION_FACETS.person(personId),
    DELEGATION_FACETS.agent(agentId),
    DELEGATION_FACETS.resource(resource),
  ];
}

/** What only one delegation may have at a time: of those that have ended, none has it. */
export function activeKeyOf(delegation: DelegationTriple & Pick<Delegation, 'status'>): string | undefined {
  return delegation.status === 'active' ? tripleKey(delegation) : undefined;
}

export function tripleKey({ personId, agentId, resourceId }: DelegationTriple): string {
  return `${personId} ${agentId} ${resourceId}`;
}
