import type { JWK } from 'jose';
import type { ManagedRecord } from '../audit/index.ts';
import type { SigningAlg } from '../oauth.ts';

/**
 * ```
 * published ──activatesAt──▶ active ──retiresAt──▶ retired ──removesAt──▶ removed
 *     └──────────── kill ──────┴────────────────────┴──▶ killed
 * ```
 *
 * In the JWKS from `published` to `retired`; only an `active` key signs. The instants stand in the record, so every process
 * moves on by itself at the same moment, whoever wrote them. A step is then written down (`advance-signing-keys.ts`), and is
 * never taken back: whatever the clock says later, a key does not return to an earlier state (I18).
 */
export const SIGNING_KEY_STATUSES = ['published', 'active', 'retired', 'removed', 'killed'] as const;
export type SigningKeyStatus = (typeof SIGNING_KEY_STATUSES)[number];

/** A key that signs access tokens. */
export interface SigningKey extends ManagedRecord {
  /** Also the `kid`. */
  readonly id: `key_${string}`;
  readonly alg: SigningAlg;
  /** The last state that was written down; `statusAt` says what the key is now. */
  readonly status: SigningKeyStatus;
  /** When it begins to sign, in milliseconds since the epoch; from the start where absent. */
  readonly activatesAt?: number;
  /** When it ceases to sign; absent while no successor is made. */
  readonly retiresAt?: number;
  /** When the last token it signed has expired, and it leaves the JWKS; stands beside `retiresAt`. */
  readonly removesAt?: number;
  readonly publicJwk: JWK;
  /**
   * The private key (PKCS #8, DER), sealed with a key-encryption key; additional data is the key's id. Absent once the key signs
   * no longer: nothing is left that could.
   */
  readonly sealedPrivateKey?: string;
}

/** What a key is at an instant: as far on as it was written down, or further where its instants have passed. */
export function statusAt(key: SigningKey, nowMs: number): SigningKeyStatus {
  let { status } = key;
  if (status === 'published' && nowMs >= (key.activatesAt ?? 0)) status = 'active';
  if (status === 'active' && nowMs >= (key.retiresAt ?? Number.POSITIVE_INFINITY)) status = 'retired';
  if (status === 'retired' && nowMs >= (key.removesAt ?? Number.POSITIVE_INFINITY)) status = 'removed';
  return status;
}

/** The next instant at which a key becomes something else by itself; infinite where it does not. */
export function nextChangeAt(key: SigningKey, nowMs: number): number {
  const instants = [key.activatesAt, key.retiresAt, key.removesAt];
  return Math.min(...instants.map(at => (at !== undefined && at > nowMs ? at : Number.POSITIVE_INFINITY)));
}

/** Whether a key stands in the JWKS and verifies. */
export function isPublished(status: SigningKeyStatus): boolean {
  return status === 'published' || status === 'active' || status === 'retired';
}

/** A key without its private half. */
export function withoutPrivateKey({ sealedPrivateKey: _, ...key }: SigningKey): SigningKey {
  return key;
}
