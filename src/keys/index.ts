/**
 * The keys that sign access tokens: made, sealed, published, withdrawn. They live in the store, sealed by a key-encryption key
 * that does not, so that every process sees a change at once.
 *
 * Not here: what a token says (`tokens/`).
 */
export { ensureSigningKeys, type SigningKeyDeps } from './create-signing-key.ts';
export { killSigningKey, type SigningKeyRefusal } from './kill-signing-key.ts';
export { signingKeyRoutes } from './routes.ts';
export { SealBroken, type SealingKey, sealingKey } from './sealing.ts';
export type { SigningKey } from './signing-key.ts';
export type { SigningKeyChange, SigningKeyStore } from './signing-key-store.ts';
export { type PublicKeySet, SigningKeyring } from './signing-keyring.ts';
