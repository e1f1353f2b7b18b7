import type { ManagedRecord } from '../audit/index.ts';

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
  /** The most that its tokens may hold; what they hold now, `delegatedScopes` says. */
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch. It always has an end. */
  readonly expiresAt: number;
  /** The agents that the work may be handed on to; none where empty. */
  readonly mayActNext: readonly `agt_${string}`[];
  readonly status: RecordedDelegationStatus;
}
