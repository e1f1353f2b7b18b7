import type { ManagedRecord } from '../audit/index.ts';
import type { Lineage } from '../liveness.ts';

/**
 * What becomes of a request for more:
 *
 * ```
 *               approve             redeem
 *   pending ───────────▶ approved ──────────▶ redeemed
 *      │                    │                    │
 *      ├─ deny ──▶ denied   ├─ deny ─────────────┴─ deny ──▶ revoked
 *      ├─ revoke ───────────┴─ revoke ───────────┴─ revoke ▶ revoked
 *      ├─ cancel ───────────┴──────▶ cancelled
 *      └─ expire ───────────┴──────▶ expired
 * ```
 *
 * `denied`, `cancelled`, `expired` and `revoked` are final, and so is `redeemed` but for being revoked, which kills its token. Each step
 * is one conditional write (`move-elevation.ts`). What has run out, or has lost what it rests on, is over before that is recorded:
 * `elevationStatus` says what one is at a moment.
 */
export const ELEVATION_STATUSES = [
  'pending',
  'approved',
  'redeemed',
  'denied',
  'cancelled',
  'expired',
  'revoked',
] as const;
export type ElevationStatus = (typeof ELEVATION_STATUSES)[number];

/** Why somebody does not countersign: of these one is chosen, so that the agent is told nothing in anybody's own words. */
export const DENIAL_REASONS = ['not-expected', 'too-much', 'not-now', 'suspicious'] as const;
export type DenialReason = (typeof DENIAL_REASONS)[number];

/**
 * Why one is over without anybody having decided against it.
 *
 * - `by-agent`: the agent that asked withdrew it
 * - `authority-ended`: what it rests on was cut off: an agent, owner, person, delegation, factor or resource server, or all by a restore
 * - `changed`: what was shown is not what is there any more
 * - `not-possible`: approved, and the decision to issue refused it
 */
export type CancelReason = 'by-agent' | 'authority-ended' | 'changed' | 'not-possible';

/** RFC 8176: a session begins with a password and a second factor; the code is of an authenticator app. */
export const COUNTERSIGNED_AMR = ['pwd', 'otp', 'mfa'] as const;
export const COUNTERSIGNED_ACR = 'urn:countersign:acr:countersigned';

/** Decisions close so long after the ask. */
export const DECIDE_WITHIN_MS = 600_000;
/** The code lives on for a minute, so that what is approved in the last moment can be fetched. */
export const CODE_LIFETIME_SECONDS = 660;
/** The longest that an agent may be raised; also where it does not say for how long. */
export const MAX_ELEVATION_SECONDS = 900;
/** How often one may be asked for anew while it waits. */
export const MAX_DEFERRAL_CODES = 16;
/** How many different requests of one agent may wait: somebody has to look at all of them (I16). Of asks at once a few more may. */
export const MAX_WAITING = 20;
/** Of the agent's reason. */
export const MAX_REASON_LENGTH = 500;

/** Somebody's countersignature, and of what. */
export interface Approval {
  readonly by: `usr_${string}`;
  /** When, in milliseconds since the epoch: also the `auth_time` of the code, which was good for this alone. */
  readonly at: number;
  /** Of what was shown. */
  readonly digest: string;
  /** The end of what was approved, in milliseconds since the epoch: a late redemption gets less. */
  readonly expiresAt: number;
}

/**
 * A request of an agent for more than it has, for a while: what it asks and why, who may countersign, what it rests on, and what
 * became of it. What it asks for never changes.
 */
export interface Elevation extends ManagedRecord {
  /** No secret: a deferral code works only for the client that it was given to, and a decision is somebody's in their session (I3). */
  readonly id: `elv_${string}`;
  readonly status: ElevationStatus;
  readonly clientId: string;
  readonly agentId: `agt_${string}`;
  /** Who answered for the agent when it asked. */
  readonly ownerId: string;
  /** `sub` of the token: the person of the delegation, or the agent itself. */
  readonly subject: string;
  /** Who acts, newest first; nobody where the agent acts for itself. */
  readonly actors: readonly string[];
  /** The person who alone may countersign. */
  readonly approverId: `usr_${string}`;
  /** The delegation that it asks beyond; absent where the agent asks beyond its own baseline. */
  readonly delegationId?: `dlg_${string}`;
  readonly resourceId: `res_${string}`;
  /** The same by its canonical identifier. */
  readonly resource: string;
  /** Everything that the token is to hold. */
  readonly scopes: readonly string[];
  /** Those of them that the agent would not get without being countersigned. */
  readonly beyond: readonly string[];
  /** For how long, narrowed to what is possible: this is what is shown. */
  readonly seconds: number;
  /** What the agent says that it is for; untrusted. Empty where it says nothing. */
  readonly reason: string;
  /** Shown by the agent in its own channel, and on the card. */
  readonly bindingCode: string;
  /** The key that the agent proved (RFC 9449): the same one has to be proved to fetch what comes of it. */
  readonly proofKey?: string;
  /** The instant by which somebody has to decide, in milliseconds since the epoch. */
  readonly decideBy: number;
  /** Digest of the request: an identical one joins it while it waits. */
  readonly askDigest: string;
  /** SHA-256 of the deferral codes, base64url: one for each time that it was asked for. */
  readonly codes: readonly string[];
  /** What it has rested on since it was asked for: any handle cut off, and it is over. */
  readonly lineage: Lineage;
  /** Present once it was approved, and on. */
  readonly approval?: Approval;
  /** Where it was denied, or revoked by whoever may decide on it. */
  readonly denial?: { readonly by: string; readonly at: number; readonly reason: DenialReason };
  readonly cancelReason?: CancelReason;
  /** The token that was issued for it. */
  readonly redeemed?: { readonly at: number; readonly jti: string };
  /** When its end was recorded, where a token was issued for it and its time is over. */
  readonly endedAt?: number;
}
