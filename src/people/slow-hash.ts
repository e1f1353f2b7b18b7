import { hash, hashRaw, type Options, verify } from '@node-rs/argon2';
import { Refused } from '../errors.ts';

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane; about 15 ms. */
const OPTIONS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const satisfies Options;
const DIGEST_BYTES = 32;

/** Each takes 19 MiB and a core: more at once would only slow down everything else. */
const MOST_AT_ONCE = 2;
/** Whoever comes after them would wait for longer than a browser does. */
const MOST_WAITING = 100;

export type SlowHashRefusal = 'sign-in-busy';

let running = 0;
const waiting: (() => void)[] = [];

/** @returns in PHC form */
export function hashSlowly(text: string): Promise<string> {
  return inTurn(() => hash(text, OPTIONS));
}

/** Whether the text is the one that was hashed. */
export function isHashOf(phc: string, text: string): Promise<boolean> {
  return inTurn(() => verify(phc, text));
}

/** With a salt of the caller's, so that one computation is compared with many digests. */
export function digestSlowly(text: string, salt: Uint8Array): Promise<Buffer> {
  return inTurn(() => hashRaw(text, { ...OPTIONS, outputLen: DIGEST_BYTES, salt }));
}

/** @throws {Refused<SlowHashRefusal>} when too many are waiting (I16) */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= MOST_AT_ONCE) {
    if (waiting.length >= MOST_WAITING) {
      throw new Refused<SlowHashRefusal>('sign-in-busy', { retryAfterSeconds: 5 });
    }
    await new Promise<void>(resolve => waiting.push(resolve));
  } else running += 1;
  try {
    return await work();
  } finally {
    // Whoever waits takes this place over.
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}
