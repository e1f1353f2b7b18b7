/**
 * What a token says, for how long, bound to what, and whether it still lives: issue, introspect, revoke.
 *
 * A request for a token passes client authentication, one pure decision (`decide-issue.ts`), and one commit of token and audit
 * row, and only then is answered. Introspection is one read and one evaluation of liveness. Revocation is one cutoff.
 */
export { issuedAtOf, isTokenId } from './access-token-value.ts';
export { type ActClaim, actorsOf } from './act-claim.ts';
export { type TokenAdminDeps, type TokenRefusal, tokenRoutes } from './admin-routes.ts';
export type { ApprovalClaim, ApprovalRefusal, Approved } from './approved.ts';
export {
  type BeyondRefusal,
  decideIssue,
  type IssueDecision,
  type IssueQuestion,
  type IssueRefusal,
  MAX_JWT_TTL_SECONDS,
} from './decide-issue.ts';
export type { CodePresented, DeferrableRequest, Deferral, NotDeferred } from './deferral.ts';
export {
  type Delegated,
  MAX_ACTORS,
  MAX_TOKEN_ANCESTORS,
  type PresentedToken,
  type Standing,
  type SubjectRefusal,
} from './delegated.ts';
export { endGrant } from './end-grant.ts';
export {
  type GivenGrant,
  type GrantsOfPeople,
  type GrantsOfPeopleDeps,
  grantsOfPeople,
} from './grants-of-people.ts';
export {
  findUnendedToken,
  INACTIVE,
  type IntrospectionFigures,
  locateToken,
  type TokenLookupDeps,
  type UnknownTokenLimit,
} from './introspect-token.ts';
export {
  type GrantRefusal,
  grantHandleId,
  type IssuedForPerson,
  isGrantAlive,
  issueForPerson,
  newGrantId,
  type TokenForPerson,
} from './issue-for-person.ts';
export {
  type AskedToken,
  type DecideRequestDeps,
  decideRequest,
  type GrantBasis,
  type IssueGranted,
  type IssueTokenDeps,
  type IssueTokenRefusal,
  makeToken,
  type NewToken,
  type NewTokenDeps,
  type PresentedOnce,
  type RequestDecision,
  refuseReplay,
  spentBy,
  type TokenGrant,
} from './issue-token.ts';
export { cutOffToken } from './revoke-token.ts';
export { type MachineEndpointDeps, type MachineEndpointRefusal, machineRoutes } from './routes.ts';
export { AccessTokenSigner } from './sign-access-token.ts';
export { INTROSPECTION_SIGNING_ALG } from './sign-introspection.ts';
export type { TokenId, TokenRecord } from './token.ts';
export type { BasisRefused, TokenResponse } from './token-response.ts';
export type { TokenChange, TokenStore } from './token-store.ts';
