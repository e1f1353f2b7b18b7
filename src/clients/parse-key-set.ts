import type { JWK } from 'jose';
import { z } from 'zod';
import { parseUniqueJson } from '../input/index.ts';
import { PRIVATE_MEMBERS, publicKey } from './public-key.ts';

/** What is wrong with a key set. With the first two nothing of it is taken; with the others, the keys that are fit. */
export type KeySetProblem =
  | 'key-set-malformed'
  | 'key-set-too-large'
  | 'key-set-has-private-key'
  | 'key-set-has-no-fit-key';

/** Keys of other uses and algorithms stand in the same document. */
const MAX_LISTED = 50;
/** An assertion that names no key is tried with each. */
const MAX_FIT = 10;

const keySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });

/** What is ours of a published key; the rest, such as certificates, is for others (RFC 7517 section 4). */
const READ_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'alg', 'kid', 'use', 'key_ops', 'ext'];

/**
 * The keys of a JWK set that a client can prove itself with (RFC 7517 section 5). Each is held to the same rules as a key that
 * is registered by itself; those that are not fit are left out, as sets have keys for other uses too. An empty set is one: it
 * takes every key back.
 */
export function parseKeySet(document: Buffer): {
  readonly keys?: readonly JWK[];
  readonly problem?: KeySetProblem;
} {
  const listed = keySet.safeParse(parseJson(document)).data?.keys;
  if (!listed) return { problem: 'key-set-malformed' };
  if (listed.length > MAX_LISTED) return { problem: 'key-set-too-large' };
  const publicOnes = listed.filter(key => !PRIVATE_MEMBERS.some(member => member in key));
  const keys = publicOnes.flatMap(key => {
    const read = Object.fromEntries(Object.entries(key).filter(([member]) => READ_MEMBERS.includes(member)));
    return publicKey.safeParse(read).data ?? [];
  });
  if (keys.length > MAX_FIT) return { problem: 'key-set-too-large' };
  if (publicOnes.length < listed.length) return { keys, problem: 'key-set-has-private-key' };
  return keys.length === 0 && listed.length > 0 ? { keys, problem: 'key-set-has-no-fit-key' } : { keys };
}

function parseJson(document: Buffer): unknown {
  try {
    return parseUniqueJson(new TextDecoder('utf-8', { fatal: true }).decode(document));
  } catch {
    return undefined;
  }
}
