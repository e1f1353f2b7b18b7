import { randomFillSync } from 'node:crypto';

/**
 * Names of things. Every identifier starts with what it names, so that the namespaces of people, agents and tokens cannot
 * collide (RFC 9068 section 5, RFC 9700 section 4.15), and none starts with `https://`, which is kept for Client ID Metadata
 * Documents.
 */
export type IdPrefix = 'agt' | 'usr' | 'res' | 'dlg' | 'elv' | 'key' | 'req' | 'lane' | 'prc' | 'sto' | 'ses';

const RANDOM_POOL_BYTES = 32_768;
const pool = Buffer.allocUnsafeSlow(RANDOM_POOL_BYTES);
let poolOffset = RANDOM_POOL_BYTES;

/**
 * Random bytes from a pool that is filled 32 KiB at a time: a call into the operating system for each token costs twenty times
 * as much. Bytes are handed out once and wiped from the pool.
 *
 * @param target where the bytes go
 * @param offset first byte written
 */
export function fillRandom(target: Uint8Array, offset = 0): void {
  const length = target.length - offset;
  if (length > RANDOM_POOL_BYTES) throw new RangeError(`at most ${RANDOM_POOL_BYTES} random bytes at once`);
  if (poolOffset + length > RANDOM_POOL_BYTES) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  pool.copy(target, offset, poolOffset, poolOffset + length);
  pool.fill(0, poolOffset, poolOffset + length);
  poolOffset += length;
}

/** Writes an instant as six big-endian bytes, so that keys which begin with it sort by time of issue. */
export function writeTimePrefix(target: Buffer, atMs: number): void {
  target.writeUIntBE(atMs, 0, 6);
}

/**
 * A new identifier: its kind, its time of making (48 bits) and 80 random bits, in lower-case hexadecimal, so that identifiers
 * sort by age and survive any letter-case mistake.
 *
 * @param atMs milliseconds since the epoch
 */
export function newId<P extends IdPrefix>(prefix: P, atMs: number): `${P}_${string}` {
  const bytes = Buffer.allocUnsafe(16);
  writeTimePrefix(bytes, atMs);
  fillRandom(bytes, 6);
  return `${prefix}_${bytes.toString('hex')}`;
}
