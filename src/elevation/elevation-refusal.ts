import type { CancelReason, DenialReason } from './elevation.ts';

/**
 * Why a request for more does not wait for anybody, but is refused at once. What is wrong with it as a request for a token is told by
 * `IssueRefusal`.
 *
 * - `elevation-duration-malformed`: no number of seconds
 * - `elevation-approver-cannot-countersign`: whoever would have to has no password and authenticator app to do it with
 * - `elevation-resource-takes-jwts`: what is countersigned is issued as an opaque token, and this resource server takes none
 * - `elevation-too-short`: nothing of what it could be approved for is left before what it rests on ends
 * - `elevation-asked-too-often`: it waits already, and has been asked for again as often as that may be
 * - `elevation-too-many-waiting`: so many requests of this agent wait already: somebody has to look at all of them
 * - `elevation-authority-ended`: what the decision read was cut off before it was committed (401)
 */
export type AskRefusal =
  | 'elevation-duration-malformed'
  | 'elevation-approver-cannot-countersign'
  | 'elevation-resource-takes-jwts'
  | 'elevation-too-short'
  | 'elevation-asked-too-often'
  | 'elevation-too-many-waiting'
  | 'elevation-authority-ended';

/**
 * Why a poll gets no token.
 *
 * - `elevation-code-unknown`: it is no deferral code of this client's; unknown and foreign look alike (I15)
 * - `elevation-key-differs`: it was asked for with a proof of a key, or without one, and is fetched otherwise
 * - `elevation-redeemed`: its token has been fetched (I1)
 * - `elevation-expired`: nobody decided in time, or it was fetched too late
 * - `elevation-denied`, `elevation-cancelled`, `elevation-revoked`: there will be no token
 */
export type RedeemRefusal =
  | 'elevation-code-unknown'
  | 'elevation-key-differs'
  | 'elevation-redeemed'
  | 'elevation-expired'
  | 'elevation-denied'
  | 'elevation-cancelled'
  | 'elevation-revoked';

/**
 * Why somebody cannot decide.
 *
 * - `elevation-unknown`: there is no such elevation
 * - `elevation-not-yours`: it is for somebody else to decide on (403)
 * - `elevation-approved`, `elevation-redeemed`, `elevation-denied`, `elevation-cancelled`, `elevation-expired`, `elevation-revoked`:
 *   it is decided, or over
 * - `elevation-digest-differs`: what was shown is not what is there any more: the request is cancelled (409, I4)
 * - `elevation-changed`: somebody else was first to change it: look again (409)
 */
export type DecideRefusal =
  | 'elevation-unknown'
  | 'elevation-not-yours'
  | 'elevation-approved'
  | 'elevation-redeemed'
  | 'elevation-denied'
  | 'elevation-cancelled'
  | 'elevation-expired'
  | 'elevation-revoked'
  | 'elevation-digest-differs'
  | 'elevation-changed';

export type ElevationRefusal = AskRefusal | RedeemRefusal | DecideRefusal;

/** What the agent is told of a denial or a cancellation, in ASCII: never anybody's own words. */
export const TOLD_REASONS = {
  'not-expected': 'the approver did not expect this request',
  'too-much': 'the approver finds that this asks for too much',
  'not-now': 'the approver does not want this now',
  suspicious: 'the approver finds this request suspicious',
  'by-agent': 'the request was withdrawn',
  'authority-ended': 'what the request rested on has ended',
  changed: 'what the approver was shown has changed',
  'not-possible': 'what was approved is not possible any more',
} as const satisfies Record<DenialReason | CancelReason, string>;
