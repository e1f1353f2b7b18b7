import {
  type AuditEvent,
  type AuthorisedOrigin,
  type Authority,
  assertAuthorityHeld,
  type CommitPort,
  type Freshness,
} from '../audit/index.ts';
import { StoreUnavailable } from '../errors.ts';
import type { SealingKey } from './sealing.ts';
import type { SigningKey } from './signing-key.ts';
import type { SigningKeyChange, SigningKeyStore } from './signing-key-store.ts';

export interface SigningKeyDeps {
  readonly keys: SigningKeyStore;
  readonly sealing: SealingKey;
  readonly freshness: Freshness;
  readonly timing: SigningKeyTiming;
  /** Seals anew whatever else is sealed, once the signing keys are, and says how many there were. */
  readonly resealRest?: (origin: AuthorisedOrigin) => Promise<number>;
}

/** How long the steps of a key's life take. */
export interface SigningKeyTiming {
  /** From being published to signing, where nobody says otherwise: longer than verifiers keep the JWKS. In milliseconds. */
  readonly overlapMs: number;
  /**
   * From ceasing to sign to leaving the JWKS: the longest life of a token, and some minutes for clocks that differ. In
   * milliseconds.
   */
  readonly verifiesMs: number;
}

/** What becomes of keys, with the evidence. */
export interface KeyChanges<Result> {
  /** The keys as they shall be, by the version at which they were read; counted on here. */
  readonly replaced?: readonly SigningKey[];
  readonly added?: readonly SigningKey[];
  readonly events: readonly AuditEvent[];
  readonly result: (written: readonly SigningKey[]) => Result;
}

const MAX_ATTEMPTS = 20;

/**
 * Reads all keys, decides, and commits: everything in one unit, or again from the start when another process came first.
 *
 * @param decide may run more than once; without changes nothing is written
 * @param authority on whose the keys are changed
 * @param now    milliseconds since the epoch
 * @throws {Refused<'authority-ended'>}
 * @throws {StoreUnavailable} when the store cannot answer, or the keys do not come to rest
 */
export async function changeSigningKeys<Result>(
  deps: { readonly keys: SigningKeyStore & CommitPort<SigningKeyChange>; readonly freshness: Freshness },
  decide: (keys: readonly SigningKey[]) => KeyChanges<Result>,
  authority: Authority,
  now: number,
): Promise<Result> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const { replaced = [], added = [], events, result } = decide(await deps.keys.listSigningKeys());
    const revised = replaced.map(key => ({
      ...key,
      version: key.version + 1,
      updatedAt: Math.max(now, key.updatedAt),
    }));
    const written = [...revised, ...added];
    if (written.length === 0) return result([]);
    const outcome = await deps.keys.commit({
      changes: [
        ...revised.map(record => {
          const ifVersion = record.version - 1;
          return { kind: 'replace', collection: 'signing-key', record, ifVersion } as const;
        }),
        ...added.map(record => ({ kind: 'insert', collection: 'signing-key', record }) as const),
      ],
      events,
      authority,
    });
    assertAuthorityHeld(outcome);
    if (outcome.committed) return result(written);
  }
  throw new StoreUnavailable('the signing keys were changed again and again while they were being changed');
}
