/**
 * How a caller proves itself: client secrets and signed assertions (`private_key_jwt`), once for all machine endpoints.
 *
 * Not here: who the caller is. Agents and resource servers own their credentials; a `ClientDirectory` finds them.
 */

export {
  type AuthenticateClientDeps,
  type AuthenticatedClient,
  authenticateClient,
  type ClientAuthRefusal,
  type CredentialFormRefusal,
  refuseConflict,
  type SpentCredential,
  spendAssertion,
} from './authenticate-client.ts';
export {
  ASSERTION_ALG_NAMES,
  type AssertionAlg,
  type Client,
  type ClientCredential,
  type ClientDirectory,
  type ClientKind,
} from './client.ts';
export { verifyClientAssertion } from './client-assertion.ts';
export { digestSecret, isRegisteredSecret, newClientSecret } from './client-secret.ts';
export {
  addSecret,
  type CredentialInput,
  type CredentialRefusal,
  credentialInput,
  type MadeCredential,
  makeCredential,
} from './credential-input.ts';
export { type CredentialView, viewCredential } from './credential-view.ts';
