/**
 * The humans who delegate, approve and operate: their records, how they sign in, their second factors and sessions.
 */
export { BOOTSTRAP_OPERATOR_ID, type BuiltInRefusal, isBuiltIn } from './built-in-person.ts';
export { type Countersigned, canCountersign, countersign } from './countersign.ts';
export { createPerson, getPerson, type PersonDeps, type PersonRefusal } from './create-person.ts';
export {
  beginTotp,
  type Enrolled,
  type Enrolment,
  type EnrolmentRefusal,
  finishEnrolment,
  issueEnrolment,
  openEnrolment,
  setEnrolmentDetails,
  setPassword,
} from './enrolment.ts';
export {
  beginPasskey,
  beginTotpChange,
  changePassword,
  type Factors,
  findFactors,
  finishPasskey,
  finishTotpChange,
  type PasskeyRefusal,
  removePasskey,
  renewRecoveryCodes,
} from './factors.ts';
export { ensureFirstAdministrator, isAdministered, type LinkFile } from './first-administrator.ts';
export { type InvitationRefusal, invitePerson, resetFactor } from './invite-person.ts';
export { killPerson, restorePerson } from './kill-person.ts';
export { findNextCode, type NextCode } from './next-code.ts';
export type { Pass, PassKind, PassOf } from './pass.ts';
export type { CredentialChange, CredentialStore, PassChange, PassStore } from './pass-store.ts';
export { isRequestToken, newPassValue, requestToken } from './pass-value.ts';
export type { PasswordRefusal } from './password.ts';
export { type Person, ROLES, type Role } from './person.ts';
export { credentialIdOf, type PersonCredential } from './person-credential.ts';
export { type PersonChanges, type PersonInput, personChanges, personInput } from './person-input.ts';
export type { PersonChange, PersonStore } from './person-store.ts';
export {
  beginAssertion,
  type FactorHolder,
  type OpenedSession,
  proveFactor,
  stepUp,
} from './prove-factor.ts';
export { resealCredentials } from './reseal-credentials.ts';
export { type PersonView, peopleRoutes } from './routes.ts';
export {
  assertFactorFresh,
  endListedSession,
  endOtherSessions,
  endSession,
  findSession,
  type ListedSession,
  listSessions,
  type PersonSession,
  type SessionRefusal,
} from './session.ts';
export { newSignInFigures, type SignInChange, type SignInDeps, type SignInFigures } from './sign-in-deps.ts';
export { type HashCost, SlowHash, type SlowHashRefusal } from './slow-hash.ts';
export { findPendingSignIn, type PendingSignIn, type SignInRefusal, startSignIn } from './start-sign-in.ts';
export type { TotpSeed } from './totp.ts';
export { updatePerson } from './update-person.ts';
export type { FactorProof, FactorRefusal } from './use-factor.ts';
export { voidCredential } from './void-credential.ts';
