import { type Agent, agentStatus, scopesAt } from '../agents/index.ts';
import { type Handle, handle } from '../liveness.ts';
import type { Person } from '../people/index.ts';
import { mayBeDelegated, type Resource, standingScopes } from '../resources/index.ts';
import type { Delegation, DelegationStatus } from './delegation.ts';

/** Whom and what a delegation stands on, as they are now; undefined where they are gone. */
export interface DelegationParties {
  readonly person: Pick<Person, 'status'> | undefined;
  readonly agent: Agent | undefined;
  readonly resource: Pick<Resource, 'status'> | undefined;
}

/**
 * What a delegation is at a moment.
 *
 * @param nowMs milliseconds since the epoch: the latest that it may be
 */
export function delegationStatus(
  delegation: Delegation,
  { person, agent, resource }: DelegationParties,
  nowMs: number,
): DelegationStatus {
  if (delegation.status === 'ended') return 'ended';
  if (delegation.expiresAt <= nowMs) return 'expired';
  const isStanding =
    person?.status === 'active' &&
    resource?.status === 'active' &&
    agent !== undefined &&
    agentStatus(agent, nowMs) === 'active';
  return isStanding ? 'active' : 'suspended';
}

/** What its tokens carry of it: dead once it ends, or is replaced by less. */
export function delegationHandle({ id, epoch }: Pick<Delegation, 'id' | 'epoch'>): Handle {
  return handle(id, epoch);
}

/**
 * What tokens under a delegation may hold now. It was inside the agent's envelope and the catalogue when it was given; either may have
 * become less since, and a scope may have become one that a standing permission must not hold (I2).
 *
 * @param agent the agent that acts, which may be one that the work was handed on to
 */
export function delegatedScopes(
  { scopes }: Pick<Delegation, 'scopes'>,
  agent: Pick<Agent, 'envelope'>,
  resource: Resource,
): readonly string[] {
  if (!mayBeDelegated(resource)) return [];
  const envelope = scopesAt(agent.envelope, resource.identifier);
  const standing = standingScopes(resource);
  return scopes.filter(scope => envelope.includes(scope) && standing.includes(scope));
}
