import type { Lineage } from '../liveness.ts';

/**
 * What a person holds for a while, by a value of 256 random bits of which only the SHA-256 is stored (I11): an enrolment link, a sign-in
 * that has begun, a session. An enrolment link and a begun sign-in are used once, by deleting them (I1).
 */
export type Pass = EnrolmentPass | SignInPass | SessionPass;

export type PassKind = Pass['kind'];

interface PassBase {
  /** SHA-256 of the value, base64url. */
  readonly key: string;
  readonly personId: `usr_${string}`;
  /** Counts changes, from 1. */
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** What it descends from: dead once one of these was cut off. */
  readonly lineage: Lineage;
}

export type EnrolmentPurpose = 'first-administrator' | 'invitation' | 'reset';

/** A link by which a person sets how they sign in. What they have set so far takes effect with the last step. */
export interface EnrolmentPass extends PassBase {
  readonly kind: 'enrolment';
  readonly purpose: EnrolmentPurpose;
  /** Who made it. */
  readonly by: readonly string[];
  /** Who the first administrator says to be. */
  readonly details?: { readonly name: string; readonly email: string };
  readonly password?: string;
  readonly sealedSeed?: string;
  /** Codes that were looked at. */
  readonly tries: number;
}

/** A person who has given their password, and not yet the second factor. */
export interface SignInPass extends PassBase {
  readonly kind: 'sign-in';
  /** Of a passkey that was asked for, base64url. */
  readonly challenge?: string;
}

/** RFC 8176. */
export type Amr = 'pwd' | 'otp' | 'pop' | 'user' | 'mfa';

/** `phr` is phishing-resistant (OpenID EAP ACR values): by passkey. */
export type Acr = 'urn:countersign:acr:mfa' | 'phr';

export interface SessionPass extends PassBase {
  readonly kind: 'session';
  /** For lists and the trail; no secret. */
  readonly id: `ses_${string}`;
  readonly lastUsedAt: number;
  /** When the person signed in, and when they last proved the second factor. */
  readonly authenticatedAt: number;
  readonly factorAt: number;
  readonly amr: readonly Amr[];
  readonly acr: Acr;
  readonly address?: string;
  /** Of a passkey that was asked for, or is being registered, base64url. */
  readonly challenge?: string;
  /** Of an authenticator app that is being registered. */
  readonly sealedSeed?: string;
}

export type PassOf<K extends PassKind> = Extract<Pass, { readonly kind: K }>;
