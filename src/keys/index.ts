/**
 * The keys that sign access tokens: made, sealed, published, rotated, withdrawn. They live in the store, sealed by a
 * key-encryption key that does not, so that every process sees a change at once.
 *
 * A rotation is written into the records as instants. Each process follows them by itself: `signing-key.ts` says what a key is at
 * a moment, `signing-keyring.ts` has the keys ready for it, and `advance-signing-keys.ts` writes down what has come to pass.
 *
 * Not here: what a token says (`tokens/`).
 */
export { advanceSigningKeys } from './advance-signing-keys.ts';
export type { SigningKeyDeps, SigningKeyTiming } from './change-signing-keys.ts';
export { ensureSigningKeys } from './create-signing-key.ts';
export { signatureFromDer, signatureToDer } from './ecdsa-signature.ts';
export { keepSigningKeys, signingKeyTiming } from './keep-signing-keys.ts';
export { makeKeyCheck, opensKeyCheck } from './key-check.ts';
export { killSigningKey } from './kill-signing-key.ts';
export { assertSigningKeysOpen, resealSigningKeys } from './reseal-signing-keys.ts';
export { type RetirementRefusal, retireSigningKey } from './retire-signing-key.ts';
export { type RotationRefusal, rotateBySchedule, rotateSigningKeys } from './rotate-signing-keys.ts';
export { type SigningKeyRefusal, signingKeyRoutes } from './routes.ts';
export { keyEncryptionKeyName, SealBroken, type SealingKey, sealedWith, sealingKey } from './sealing.ts';
export { isPublished, type SigningKey, statusAt as signingKeyStatus } from './signing-key.ts';
export type { SigningKeyChange, SigningKeyStore } from './signing-key-store.ts';
export { type PublicKeySet, SigningKeyring } from './signing-keyring.ts';
