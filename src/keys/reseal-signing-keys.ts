import { type AuthorisedOrigin, eventOrigin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { changeSigningKeys, type SigningKeyDeps } from './change-signing-keys.ts';
import { SealBroken, type SealingKey, sealedWith } from './sealing.ts';
import { type SigningKey, statusAt } from './signing-key.ts';

export type ResealRefusal = 'key-encryption-key-missing';

export interface ResealReport {
  /** The key-encryption key under which everything is sealed now, by its name. */
  readonly keyEncryptionKey: string;
  /** How many were sealed anew. */
  readonly resealed: number;
}

/**
 * Seals every signing key anew under the current key-encryption key, one commit a key, while the server runs, and then what else
 * is sealed. After a crash, or when another process does the same, it goes on with those that are left.
 *
 * @throws {Refused<ResealRefusal>} when a key is sealed with a key-encryption key that is not configured, naming both
 */
export async function resealSigningKeys(
  deps: Pick<SigningKeyDeps, 'keys' | 'sealing' | 'freshness' | 'resealRest'>,
  origin: AuthorisedOrigin,
): Promise<ResealReport> {
  let resealed = 0;
  while (await resealOne(deps, origin)) resealed += 1;
  if (deps.resealRest) resealed += await orRefuse(() => deps.resealRest?.(origin) ?? 0);
  return { keyEncryptionKey: deps.sealing.keyName, resealed };
}

/** @returns whether there was one */
function resealOne(
  { keys: store, sealing, freshness }: Pick<SigningKeyDeps, 'keys' | 'sealing' | 'freshness'>,
  origin: AuthorisedOrigin,
): Promise<boolean> {
  return changeSigningKeys(
    { keys: store, freshness },
    keys => {
      const key = keys.find(
        ({ sealedPrivateKey: sealed }) => sealed !== undefined && !sealing.isCurrent(sealed),
      );
      const sealed = key?.sealedPrivateKey;
      if (!key || sealed === undefined) return { events: [], result: () => false };
      return {
        replaced: [{ ...key, sealedPrivateKey: sealAnew(sealing, sealed, key.id) }],
        events: [
          {
            type: 'key.resealed',
            outcome: 'done',
            ...eventOrigin(origin),
            target: key.id,
            detail: { from: sealedWith(sealed), to: sealing.keyName },
          },
        ],
        result: () => true,
      };
    },
    origin.authority,
    origin.now,
  );
}

function sealAnew(sealing: SealingKey, sealed: string, id: string): string {
  try {
    return sealing.seal(sealing.unseal(sealed, id), id);
  } catch (error) {
    throw asRefusal(error);
  }
}

async function orRefuse<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asRefusal(error);
  }
}

function asRefusal(error: unknown): unknown {
  if (!(error instanceof SealBroken)) return error;
  return new Refused<ResealRefusal>('key-encryption-key-missing', { hint: error.message }, { cause: error });
}

/**
 * Sees to it that every key that signs, now or later, can be unsealed: a server that could not sign must not start.
 *
 * @throws {SealBroken} naming the signing key and the key-encryption key that is missing
 */
export function assertSigningKeysOpen(keys: readonly SigningKey[], sealing: SealingKey, nowMs: number): void {
  for (const key of keys) {
    const status = statusAt(key, nowMs);
    if ((status !== 'active' && status !== 'published') || key.sealedPrivateKey === undefined) continue;
    sealing.unseal(key.sealedPrivateKey, key.id);
  }
}
