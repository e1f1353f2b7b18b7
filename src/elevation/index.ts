/**
 * A request for more power, from asking to countersigned, refused or over.
 *
 * An agent asks for scopes that are within its envelope and beyond what it has (`ask.ts`). The one person who may decide on it is shown
 * exactly what is asked (`display.ts`, `digest.ts`), and countersigns exactly that with a code that is good for nothing else
 * (`approve.ts`), or denies it (`deny.ts`). The agent fetches the token, once (`redeem.ts`), or withdraws its request (`cancel.ts`).
 * What becomes of an elevation is one state machine (`move-elevation.ts`), and each step is one conditional write.
 *
 * In which words an agent asks, fetches and withdraws stands in `deferred-token-response.ts`, behind what the endpoints of `tokens/` need.
 *
 * Not here: the pages (`pages/`), and how a code is proved (`people/countersign.ts`).
 */
export { type ApproveDeps, approveElevation, type Countersignature } from './approve.ts';
export {
  type AskOutcome,
  askElevation,
  type Deferred,
  type ElevationAsk,
  type NeedsApproval,
  narrowSeconds,
} from './ask.ts';
export { type CodeHolder, cancelElevation } from './cancel.ts';
export { getElevation } from './change-elevation.ts';
export { isDeferralCode } from './deferral-code.ts';
export {
  DEFERRAL_METADATA,
  type DeferralRefusal,
  deferredTokenResponse,
} from './deferred-token-response.ts';
export { denyElevation, revokeElevation } from './deny.ts';
export {
  digestOfShown,
  type ShownElevation,
  type ShownName,
  type ShownRecords,
  showElevation,
} from './digest.ts';
export { type DisplayedElevation, Displays, displayElevation } from './display.ts';
export {
  type Approval,
  type CancelReason,
  CODE_LIFETIME_SECONDS,
  COUNTERSIGNED_ACR,
  COUNTERSIGNED_AMR,
  DENIAL_REASONS,
  type DenialReason,
  ELEVATION_STATUSES,
  type Elevation,
  type ElevationStatus,
  MAX_ELEVATION_SECONDS,
  MAX_REASON_LENGTH,
} from './elevation.ts';
export type { ElevationDeps } from './elevation-deps.ts';
export {
  type AskRefusal,
  type DecideRefusal,
  type ElevationRefusal,
  type RedeemRefusal,
  TOLD_REASONS,
} from './elevation-refusal.ts';
export type { ElevationChange, ElevationStore } from './elevation-store.ts';
export {
  type ElevationFilter,
  type JudgedElevation,
  judgeElevation,
  listElevations,
} from './list-elevations.ts';
export { elevationStatus, endOfElevation, moveElevation } from './move-elevation.ts';
export { type Poll, type RedeemDeps, redeemElevation } from './redeem.ts';
export { elevationRoutes } from './routes.ts';
export { isRunning, type Standing, standingOf } from './standing.ts';
export { sweepElevations } from './sweep-elevations.ts';
