/**
 * How a caller proves itself: client secrets and signed assertions (`private_key_jwt`), once for all machine endpoints. The keys
 * of an assertion are registered with the client, or fetched from where it publishes them. DPoP proofs (RFC 9449) bind a token to
 * a key besides.
 *
 * Not here: who the caller is. Agents and resource servers own their credentials; a `ClientDirectory` finds them.
 */

export {
  type AuthenticateClientDeps,
  type AuthenticatedClient,
  assertAuthorizationReadable,
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
export { type AssertionRules, readAssertion, verifyClientAssertion } from './client-assertion.ts';
export { digestSecret, isRegisteredSecret, newClientSecret } from './client-secret.ts';
export {
  addSecret,
  type CredentialInput,
  credentialInput,
  jwksUriInput,
  type MadeCredential,
  makeCredential,
  newKeyInput,
} from './credential-input.ts';
export { type CredentialView, viewCredential, viewKeys, viewSecrets } from './credential-view.ts';
export { DpopNonces } from './dpop-nonces.ts';
export type { DpopProofRefusal, VerifiedDpopProof } from './dpop-proof.ts';
export { parseKeySet } from './parse-key-set.ts';
export { PublishedKeys } from './published-keys.ts';
export { type DpopDeps, receiveDpopProof } from './receive-dpop-proof.ts';
export { addKey, type ClientKeyRefusal, publicKeyId, withoutKey } from './registered-keys.ts';
export { type CredentialRefusal, secretId, secretsOf, withoutSecret } from './registered-secrets.ts';
