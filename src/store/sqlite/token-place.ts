/** So many places in a row may hold a token. Two of one millisecond want the same one with a chance of one in two million. */
export const PLACES = 8;
/** No token has a place beyond this. */
export const LAST_PLACE = 2n ** 63n - 1n;

/** The bytes under which a token is stored: its `jti` without the prefix. */
export function tokenKey(jti: string): Buffer {
  return Buffer.from(jti.slice('tok_'.length), 'base64url');
}

/**
 * Where a token stands: its row number, or one of the `PLACES - 1` after it where another token had that. It is the time of issue in
 * milliseconds, then the first bits of the digest, so that new rows go to the end and expired ones come off the front.
 *
 * The inner pages of such a table hold numbers alone, five hundred to a page. By the whole key they would hold whole rows, eleven to a
 * page: among a million tokens each look-up would read three pages instead of one, and twice as many after each commit.
 *
 * @param key its first six bytes are the time; whatever they are, as a caller can make them up, a place comes of it
 */
export function tokenPlace(key: Buffer): bigint {
  // Eight bytes hold the time and 16 bits of the digest; five more are of the next. Of the time 42 bits are left, until the year 2109.
  return BigInt.asUintN(63, (key.readBigUInt64BE(0) << 5n) | BigInt(key.readUInt8(8) >> 3));
}

/** What a statement says to find a token: `?1` is its place, `?2` its key. */
export const AT_PLACE = `id BETWEEN ?1 AND ?1 + ${PLACES - 1} AND key = ?2`;

/**
 * Puts a token where its place is, or in the first of those after it that is free.
 *
 * @param insert tries to write it at a place, and says whether that was free
 * @param isThere whether this very token is stored already
 * @returns whether it was written
 */
export function placeToken(
  key: Buffer,
  insert: (place: bigint) => boolean,
  isThere: (place: bigint) => boolean,
): boolean {
  const place = tokenPlace(key);
  if (insert(place)) return true;
  if (isThere(place)) return false;
  for (let step = 1n; step < PLACES; step += 1n) if (insert(place + step)) return true;
  return false;
}
