import { hash, hashRaw, verify } from '@node-rs/argon2';
import { Refused } from '../errors.ts';

/** What one computation costs: memory in KiB, passes over it, lanes. */
export interface HashCost {
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
}

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane; about 15 ms. */
const HASH_COST: HashCost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const DIGEST_BYTES = 32;

/** Each takes 19 MiB and a core: more at once would only slow down everything else. */
const MOST_AT_ONCE = 2;
/** Whoever comes after them would wait for longer than a browser does. */
const MOST_WAITING = 100;

export type SlowHashRefusal = 'sign-in-busy';

/** argon2id, a few at a time: for what people can remember or write down, and others could guess. */
export class SlowHash {
  readonly #cost: HashCost;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** Of a text that nobody has. Made for the first who asks. */
  #nobodys: Promise<string> | undefined;

  /** @param cost of `hash` and `digest`; a hash in PHC form says itself what it took */
  constructor(cost: HashCost = HASH_COST) {
    this.#cost = cost;
  }

  /** @returns in PHC form @throws {Refused<SlowHashRefusal>} */
  hash(text: string): Promise<string> {
    return this.#inTurn(() => hash(text, this.#cost));
  }

  /**
   * Whether the text is the one that was hashed. Takes as long where there is nothing to compare it with (I15).
   *
   * @param phc undefined where nothing was hashed: then it is not @throws {Refused<SlowHashRefusal>}
   */
  async isHashOf(phc: string | undefined, text: string): Promise<boolean> {
    this.#nobodys ??= this.hash('the password of nobody').catch(error => {
      this.#nobodys = undefined;
      throw error;
    });
    const otherwise = await this.#nobodys;
    const isRight = await this.#inTurn(() => verify(phc ?? otherwise, text));
    return isRight && phc !== undefined;
  }

  /** With a salt of the caller's, so that one computation is compared with many digests. @throws {Refused<SlowHashRefusal>} */
  digest(text: string, salt: Uint8Array): Promise<Buffer> {
    return this.#inTurn(() => hashRaw(text, { ...this.#cost, outputLen: DIGEST_BYTES, salt }));
  }

  /** @throws {Refused<SlowHashRefusal>} when too many are waiting (I16) */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MOST_AT_ONCE) {
      if (this.#waiting.length >= MOST_WAITING) {
        throw new Refused<SlowHashRefusal>('sign-in-busy', { retryAfterSeconds: 5 });
      }
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await work();
    } finally {
      // Whoever waits takes this place over.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
