import type { Moment } from './clock.ts';
import { newId } from './ids.ts';
import type { Handle, HandleId, Lineage } from './liveness.ts';

/** Which request an event belongs to: the part of an event that every event of a request shares. */
export interface Origin extends Moment {
  readonly requestId: string;
  readonly address?: string;
  /** The client on whose authority an administrative change is made. */
  readonly client?: string;
  /** For whom that client acts, and who acts, newest first: as its token says (RFC 8693). */
  readonly subject?: string;
  readonly actor?: readonly string[];
  /** What that client's token allows. Without it a client may grant nothing; without a client, the operator acts in person. */
  readonly scopes?: readonly string[];
}

/** A request, or a piece of the server's own work, that begins now. */
export function newOrigin({ now, latest, leadMs }: Moment, address?: string): Origin {
  const requestId = newId('req', now);
  return address === undefined
    ? { requestId, now, latest, leadMs }
    : { requestId, now, latest, leadMs, address };
}

/**
 * On whose authority something is changed: checked where it is used, in the transaction that changes it and before the changes,
 * so that nothing is done by somebody who has ended meanwhile, and one may still end oneself.
 */
export type Authority = HeldAuthority | WithoutAuthority;

/** What somebody holds: current handles, until an end. */
export interface HeldAuthority {
  /** What it descends from, at the epochs that were read when it was checked. */
  readonly lineage: Lineage;
  /** Milliseconds since the epoch; ended from then on. */
  readonly expiresAt: number;
  /**
   * The identities of the lineage that are the principal itself: the token, the agent or person that it is of. Where a
   * transaction does not see what commits beside it, these are ordered against their cutoffs; the others are only read, so that
   * no row is hot.
   */
  readonly own: readonly HandleId[];
  /** The session or link by which it is held: ended once it is gone. */
  readonly pass?: HoldingPass;
}

export interface HoldingPass {
  readonly kind: string;
  readonly key: string;
  /** By which it is named where it has ended. */
  readonly handle: Handle;
}

/** Nobody's authority, and why nobody's is needed. */
export interface WithoutAuthority {
  readonly none: NoAuthority;
}

/**
 * - `boot`: the server sets itself up
 * - `host-command`: whoever runs the host
 * - `background`: what the server does by its own clock
 * - `takes-away`: it ends something and gives nobody anything: nobody can slow their own end
 * - `counter`: a try or a use is counted, whoever made it
 * - `stranger`: what anybody may leave, which gives nobody anything
 */
export type NoAuthority = 'boot' | 'host-command' | 'background' | 'takes-away' | 'counter' | 'stranger';

export const TAKES_AWAY: WithoutAuthority = { none: 'takes-away' };
export const COUNTED: WithoutAuthority = { none: 'counter' };

/** The end of an authority that has none of its own. */
export const WITHOUT_END_MS = Number.MAX_SAFE_INTEGER;

/** A request, and on whose authority it changes something. */
export interface AuthorisedOrigin extends Origin {
  readonly authority: Authority;
}
