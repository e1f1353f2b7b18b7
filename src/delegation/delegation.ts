import { type Agent, agentStatus, scopesAt } from '../agents/index.ts';
import type { ManagedRecord } from '../audit/index.ts';
import { type Handle, handle } from '../liveness.ts';
import type { Person } from '../people/index.ts';
import { mayBeDelegated, type Resource } from '../resources/index.ts';

/**
 * What is recorded of a delegation's standing:
 *
 * ```
 *            end
 *   active ────────▶ ended
 *    ▲  │
 *    └──┘ give again: what it allows is replaced, and its epoch rises where that is less
 * ```
 *
 * Ended is final: what is given after that is another delegation. `expired` is not recorded: it is an active one whose `expiresAt`
 * has passed. Nor is `suspended`: it is an active one whose person, agent or resource server is stopped. Their own cutoff kills
 * its tokens, nothing is written here, and once they are restored it goes on, while what had died stays dead.
 */
export type RecordedDelegationStatus = 'active' | 'ended';
export const DELEGATION_STATUSES = ['active', 'suspended', 'expired', 'ended'] as const;
export type DelegationStatus = (typeof DELEGATION_STATUSES)[number];

/**
 * A person's standing permission that an agent acts for them at one resource server. There is one active delegation at most for
 * each person, agent and resource server.
 */
export interface Delegation extends ManagedRecord {
  /** No secret: it works only for the agent that is named here (I3). */
  readonly id: `dlg_${string}`;
  /** For whom: `sub` of its tokens. */
  readonly personId: `usr_${string}`;
  /** Who acts. */
  readonly agentId: `agt_${string}`;
  /** Where. */
  readonly resourceId: `res_${string}`;
  /** The same by its canonical identifier: the `aud` of its tokens. */
  readonly resource: string;
  /** The most that its tokens may hold; what they hold now is in `delegatedScopes`. */
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch. It always has an end. */
  readonly expiresAt: number;
  /** The agents that the work may be handed on to; none where empty. */
  readonly mayActNext: readonly `agt_${string}`[];
  readonly status: RecordedDelegationStatus;
}

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

/**
 * The scopes of a resource server that a delegation can hold. Those of high risk need a countersignature each time: a permission that
 * stands would go round it.
 */
export function standingScopes({ scopes }: Pick<Resource, 'scopes'>): readonly string[] {
  return scopes.filter(({ risk }) => risk !== 'high').map(({ name }) => name);
}

/** Whether an agent may act under a delegation: the one that it names, or one that the work may be handed on to. */
export function mayActUnder(
  { agentId, mayActNext }: Pick<Delegation, 'agentId' | 'mayActNext'>,
  id: string,
): boolean {
  return id === agentId || (mayActNext as readonly string[]).includes(id);
}
