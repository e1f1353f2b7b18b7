import { toSeconds } from '../clock.ts';
import type { Handle, Lineage } from '../liveness.ts';

/** A chain of more actors is nobody's to answer for. */
export const MAX_ACTORS = 4;
/** To exchange one's own token again adds no actor, and a handle each time: without an end to it, lineages would have none. */
export const MAX_TOKEN_ANCESTORS = 16;

/** That an agent acts for a person, and what that rests on. */
export interface Delegated {
  /** The person: `sub` of the token. */
  readonly subject: string;
  /** What the token dies with, besides everything that a token of the agent dies with. */
  readonly lineage: readonly Handle[];
  /** The standing permission that it rests on; absent for a consent grant, which is good for the agent's baseline. */
  readonly standing?: Standing;
}

/** A person's standing permission, as it was read; with the tokens that are presented under it, which live. */
export interface Standing {
  readonly id: string;
  readonly status: 'active' | 'suspended' | 'expired' | 'ended';
  /** The agent that it names. */
  readonly agentId: string;
  /** The agents that the work may be handed on to. */
  readonly mayActNext: readonly string[];
  readonly resourceId: string;
  /** The same by its identifier. */
  readonly resource: string;
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** The token that is exchanged; undefined where it is the permission itself. */
  readonly token?: PresentedToken | undefined;
  /** By which the agent shows once more that it is the one that acts. */
  readonly actorToken?: Pick<PresentedToken, 'lineage' | 'expiresAt' | 'boundTo'> | undefined;
}

/** A live token that is presented to be exchanged. */
export interface PresentedToken {
  /** Who has acted, newest first: the newest is whom it was issued to. */
  readonly actors: readonly string[];
  readonly resourceId: string;
  readonly scopes: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  readonly lineage: Lineage;
  /** The thumbprint of the key that it is bound to (RFC 9449); undefined for a bearer token. */
  readonly boundTo: string | undefined;
}

/**
 * Why a subject token is not acceptable. To the caller they all look alike (RFC 8693 section 2.2.2).
 *
 * - `subject-token-foreign`: neither this agent's, nor of one that the delegation lets it follow; or it is a delegation to another one
 * - `subject-delegation-…`: what it rests on is not active
 * - `subject-key-differs`, `actor-key-differs`: it is bound to a key that the request does not prove
 * - `subject-chain-circle`, `subject-chain-too-long`: who would have acted
 */
export type SubjectRefusal =
  | 'subject-token-foreign'
  | 'subject-delegation-suspended'
  | 'subject-delegation-expired'
  | 'subject-delegation-ended'
  | 'subject-key-differs'
  | 'subject-chain-circle'
  | 'subject-chain-too-long'
  | 'actor-key-differs';

/** Who asks for a token under a standing permission, and when. */
export interface Follower {
  readonly agentId: string;
  readonly proofKey: string | undefined;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
}

/**
 * Whether an agent may act under a standing permission, and if so, who acts then: newest first. Possession of a token is not enough
 * (I3). Pure.
 */
export function judgeStanding(
  { token, actorToken, ...standing }: Standing,
  { agentId, proofKey, issuedAt }: Follower,
): SubjectRefusal | readonly string[] {
  const before = token?.actors ?? [];
  const isOwn = before[0] === agentId;
  if (!isOwn && before.includes(agentId)) return 'subject-chain-circle';
  const isNamed = agentId === standing.agentId;
  const isNext = standing.mayActNext.includes(agentId);
  if (!(token ? isNext || (isOwn && isNamed) : isNamed)) return 'subject-token-foreign';
  if (standing.status !== 'active') return `subject-delegation-${standing.status}`;
  // Tokens live for whole seconds.
  if (toSeconds(standing.expiresAt) <= issuedAt) return 'subject-delegation-expired';
  if (token?.boundTo !== undefined && token.boundTo !== proofKey) return 'subject-key-differs';
  if (actorToken?.boundTo !== undefined && actorToken.boundTo !== proofKey) return 'actor-key-differs';
  const actors = isOwn ? before : [agentId, ...before];
  const isLong = actors.length > MAX_ACTORS || (token && tokensIn(token.lineage) >= MAX_TOKEN_ANCESTORS);
  return isLong ? 'subject-chain-too-long' : actors;
}

/** The second at which the last of what it rests on ends. */
export function endOfStanding({ expiresAt, token, actorToken }: Standing): number {
  return Math.min(
    toSeconds(expiresAt),
    token?.expiresAt ?? Number.POSITIVE_INFINITY,
    actorToken?.expiresAt ?? Number.POSITIVE_INFINITY,
  );
}

/** The scopes that it holds: of the permission, and of the token where one is presented. */
export function heldScopes({ scopes, token }: Standing): readonly string[] {
  return token ? scopes.filter(scope => token.scopes.includes(scope)) : scopes;
}

/** Everything that the presented tokens descend from, themselves included. */
export function presentedLineage({ token, actorToken }: Standing): readonly Handle[] {
  return [token, actorToken].flatMap(each => (each ? (each.lineage.split(' ') as Handle[]) : []));
}

function tokensIn(lineage: Lineage): number {
  return lineage.split(' ').filter(handle => handle.startsWith('tok_')).length;
}
