/**
 * What a token says, for how long, bound to what, and whether it still lives: issue, introspect, revoke.
 *
 * A request for a token passes client authentication, one pure decision (`decide-issue.ts`), and one commit of token and audit
 * row, and only then is answered. Introspection is one read and one evaluation of liveness. Revocation is one cutoff.
 */
export { isTokenId } from './access-token-value.ts';
export {
  DEPLOYMENT,
  decideIssue,
  type IssueDecision,
  type IssueQuestion,
  type IssueRefusal,
} from './decide-issue.ts';
export { findLiveToken, INACTIVE, type TokenLookupDeps } from './introspect-token.ts';
export type { IssueTokenRefusal, TokenResponse } from './issue-token.ts';
export { cutOffToken } from './revoke-token.ts';
export { type MachineEndpointDeps, type MachineEndpointRefusal, machineRoutes } from './routes.ts';
export { AccessTokenSigner } from './sign-access-token.ts';
export type { TokenId, TokenRecord } from './token.ts';
export type { TokenChange, TokenStore } from './token-store.ts';
