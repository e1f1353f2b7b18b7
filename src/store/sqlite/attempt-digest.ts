import { hash } from 'node:crypto';

/** Where a counter of attempts is: who has tried is in no row. */
export function attemptDigest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
