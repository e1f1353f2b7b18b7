/**
 * The keys that sign access tokens: made, sealed, published, withdrawn. They live in the store, sealed by a key-encryption key
 * that does not, so that every process sees a change at once.
 */
export type { SigningKey } from './signing-key.ts';
export type { SigningKeyChange, SigningKeyStore } from './signing-key-store.ts';
