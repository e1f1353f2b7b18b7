import type { ManagedRecord } from '../audit/index.ts';

/** A passkey as it is registered (WebAuthn level 3, section 4: public key credential source). */
export interface Passkey {
  /** The credential's identifier, base64url. */
  readonly id: string;
  /** The COSE public key, base64url. */
  readonly publicKey: string;
  /** The authenticator's signature counter; 0 where it keeps none. */
  readonly counter: number;
  readonly transports: readonly string[];
  /** What its owner calls it. */
  readonly name: string;
  readonly createdAt: number;
  readonly lastUsedAt?: number;
}

/** A time-based one-time password (RFC 6238). */
export interface TotpFactor {
  readonly sealedSeed: string;
  /** The newest step of which a code was accepted: no step up to it is accepted again (RFC 6238 section 5.2). */
  readonly lastStep: number;
  readonly since: number;
}

/** Codes for whoever has lost the other factors, as digests under one salt: a code is looked for among all with one computation. */
export interface RecoveryCodes {
  /** base64url. */
  readonly salt: string;
  /** argon2id, base64url, of those that are left. */
  readonly digests: readonly string[];
  readonly madeAt: number;
}

/** Wrong codes, and for how long none is accepted because of them. */
export interface CodeAttempts {
  /** Codes that were looked at since the last right one, within the period that began at `since`. */
  readonly count: number;
  readonly since: number;
  /** No code is accepted before; 0 where it is not locked. */
  readonly lockedUntil: number;
  /** How often it was locked since the last right code: each time for twice as long. */
  readonly locks: number;
}

/**
 * How a person proves who they are. One record a person, changed by replacing the version that was read: whoever replaces it first has
 * used the code, and nobody else can (I1). Its epoch is in every session of the person, so that a changed factor ends them.
 */
export interface PersonCredential extends ManagedRecord {
  readonly id: `crd_${string}`;
  readonly personId: `usr_${string}`;
  /** argon2id in PHC form; absent when it was taken away, and then nobody signs in. */
  readonly password?: string;
  readonly passwordSince?: number;
  readonly totp?: TotpFactor;
  readonly passkeys: readonly Passkey[];
  readonly recoveryCodes?: RecoveryCodes;
  readonly attempts: CodeAttempts;
  /** Who invited the person, and who has reset their factors: none of them is a second person beside this one (I5). */
  readonly vouchedBy: readonly string[];
}

export const NO_ATTEMPTS: CodeAttempts = { count: 0, since: 0, lockedUntil: 0, locks: 0 };

/** The credential of a person: there is one at most. */
export function credentialIdOf(personId: string): `crd_${string}` {
  return `crd_${personId.slice('usr_'.length)}`;
}
