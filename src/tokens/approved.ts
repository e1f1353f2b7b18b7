import type { Lineage } from '../liveness.ts';

/** Why a token that a person has countersigned is not issued after all. */
export type ApprovalRefusal =
  | 'approval-over'
  | 'approval-by-another'
  | 'approval-for-another'
  | 'approval-elsewhere'
  | 'approval-key-differs'
  | 'approval-needs-opaque';

/** A countersigned elevation, as a token rests on it: what it allows beyond its source, and what it is worth. */
export interface Approved {
  /** The elevation. */
  readonly id: string;
  /** Who countersigned. */
  readonly by: string;
  /** `sub` of the token: a person, or the agent itself. */
  readonly subject: string;
  readonly resourceId: string;
  /** Everything that the token is to hold, as it was shown. */
  readonly scopes: readonly string[];
  /** Fixed when it was approved, in milliseconds since the epoch. */
  readonly expiresAt: number;
  /** The key that the agent proved when it asked (RFC 9449); undefined without one. */
  readonly proofKey: string | undefined;
  /** Everything that it has rested on since it was asked for. */
  readonly lineage: Lineage;
  readonly claim: ApprovalClaim;
}

/** What a token says of who countersigned it, and what they were shown. */
export interface ApprovalClaim {
  readonly id: string;
  readonly by: string;
  /** RFC 8176. */
  readonly amr: readonly string[];
  readonly acr: string;
  /** Of the code, in seconds since the epoch. */
  readonly auth_time: number;
  /** Of what was shown: see `elevation/digest.ts`. */
  readonly digest: string;
}
