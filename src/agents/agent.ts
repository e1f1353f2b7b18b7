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
export const AGENT_STATUSES = ['active', 'suspended', 'retired', 'expired'] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

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
  /** Its tokens must be bound to a key that it proves with each request (RFC 9449); absent where it may choose. */
  readonly dpop?: 'required';
  readonly credential: ClientCredential;
  /**
   * The digest of the secret that configuration gave it last, which is not given to it again; empty where it began with one from a file.
   * Only the bootstrap client has it.
   */
  readonly configuredSecretDigest?: string;
  /**
   * It is an application that people use in their browser, each for themselves. It gets nothing for itself: whoever lets it act for them
   * gets an agent of their own, with what this one may have.
   */
  readonly application?: Application;
  /** The application through which a person uses it, or the template that admits it. */
  readonly applicationId?: `agt_${string}`;
  /** The client through which a person uses it, where that is not the application itself but was admitted by it. */
  readonly clientId?: string;
}

/** Either one application, with redirect URIs, or a template for many that describe themselves. */
export interface Application {
  /**
   * Where the browser may be sent back to (RFC 6749 section 3.1.2), compared exactly but for the port of a loopback address. None for a
   * template: those that it admits say where.
   */
  readonly redirectUris: readonly string[];
  /**
   * The hosts whose Client ID Metadata Documents are admitted: a name exactly, `*.example.com` for every name below it, `*` for all.
   * What they may do is what this record says.
   */
  readonly metadataHosts?: readonly string[] | undefined;
  /** Applications that register themselves (RFC 7591) are admitted; what they may do is what this record says. */
  readonly selfRegistration?: 'open' | undefined;
  /**
   * It gets a refresh token whether it asks for one or not. Otherwise only where it asks as OpenID Connect Core section 11 says, by the
   * scope `offline_access` with `prompt=consent`: clients that refresh when they are told to ask for more never ask for more.
   */
  readonly refreshTokens?: 'always' | undefined;
}

export function agentStatus(agent: Agent, nowMs: number): AgentStatus {
  if (agent.status === 'retired') return 'retired';
  return agent.expiresAt !== undefined && agent.expiresAt <= nowMs ? 'expired' : agent.status;
}

/** The scopes listed for one resource server; none where it is not listed. */
export function scopesAt(list: readonly ResourceScopes[], resource: string): readonly string[] {
  return list.find(entry => entry.resource === resource)?.scopes ?? [];
}
