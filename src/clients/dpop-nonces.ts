import { createHmac, hkdfSync, type KeyObject } from 'node:crypto';

/** For how long a nonce is the newest, in milliseconds. It is taken for as long again. */
const PERIOD_MS = 60_000;
const NONCE_BYTES = 16;

/**
 * Nonces for DPoP proofs (RFC 9449 section 8), without any memory: each is a MAC over the minute that it belongs to, so that
 * every process that holds the key makes and knows the same ones, and nobody can sign proofs for a time to come.
 */
export class DpopNonces {
  readonly #key: Buffer;
  readonly #made = new Map<number, string>();

  /** @param key the same in all processes; 32 random bytes */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Nonces under a key that is made of the key-encryption key: the same in every process of a deployment. */
  static under(keyEncryptionKey: KeyObject): DpopNonces {
    const key = hkdfSync('sha256', keyEncryptionKey.export(), '', 'countersign dpop nonces', 32);
    return new DpopNonces(Buffer.from(key));
  }

  newest(nowMs: number): string {
    return this.#nonceOf(Math.floor(nowMs / PERIOD_MS));
  }

  /** @returns undefined for a nonce that is not, or no longer, one of ours */
  ageOf(nonce: string, nowMs: number): 'newest' | 'older' | undefined {
    const period = Math.floor(nowMs / PERIOD_MS);
    // A process whose clock is a little ahead has begun the next period already.
    if (nonce === this.#nonceOf(period) || nonce === this.#nonceOf(period + 1)) return 'newest';
    return nonce === this.#nonceOf(period - 1) ? 'older' : undefined;
  }

  #nonceOf(period: number): string {
    let nonce = this.#made.get(period);
    if (nonce === undefined) {
      const mac = createHmac('sha256', this.#key).update(`dpop nonce ${period}`).digest();
      nonce = mac.subarray(0, NONCE_BYTES).toString('base64url');
      for (const old of this.#made.keys()) if (Math.abs(old - period) > 2) this.#made.delete(old);
      this.#made.set(period, nonce);
    }
    return nonce;
  }
}
