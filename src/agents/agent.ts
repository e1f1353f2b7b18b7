import type { ManagedRecord } from '../audit/index.ts';
import type { ClientCredential } from '../clients/index.ts';

/** Scopes at one resource server. */
export interface ResourceScopes {
  /** The canonical resource identifier. */
  readonly resource: string;
  readonly scopes: readonly string[];
}

/**
 * What is recorded of an agent's standing:
 *
 * ```
 *            kill                retire
 *   active ────────▶ suspended ─────────▶ retired
 *     ▲                 │                    ▲
 *     └──── restore ────┘                    │
 *     └──────────────── retire ──────────────┘
 * ```
 *
 * `expired` is not recorded: it is an active or suspended agent whose `expiresAt` has passed.
 */
export type RecordedAgentStatus = 'active' | 'suspended' | 'retired';
export type AgentStatus = RecordedAgentStatus | 'expired';

/** An AI agent, with the OAuth client through which it acts; the client identifier is `id`. */
export interface Agent extends ManagedRecord {
  readonly id: `agt_${string}`;
  readonly name: string;
  /** What it is for, in the owner's words. */
  readonly purpose?: string;
  /** The person who answers for it. */
  readonly ownerId: string;
  readonly status: RecordedAgentStatus;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** The most it may ever hold: nothing beyond can be approved. */
  readonly envelope: readonly ResourceScopes[];
  /** What it gets without asking a human; within the envelope. */
  readonly baseline: readonly ResourceScopes[];
  /** The resource server that is meant when a request names none. */
  readonly defaultResource?: string;
  /** The longest life of a token for it. */
  readonly accessTokenTtlSeconds?: number;
  readonly credential: ClientCredential;
}

export function agentStatus(agent: Agent, nowMs: number): AgentStatus {
  if (agent.status === 'retired') return 'retired';
  return agent.expiresAt !== undefined && agent.expiresAt <= nowMs ? 'expired' : agent.status;
}

/** The scopes listed for one resource server; none where it is not listed. */
export function scopesAt(list: readonly ResourceScopes[], resource: string): readonly string[] {
  return list.find(entry => entry.resource === resource)?.scopes ?? [];
}
