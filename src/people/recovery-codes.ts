import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { RecoveryCodes } from './person-credential.ts';
import type { SlowHash } from './slow-hash.ts';

const CODES = 10;
const CHARACTERS = 12;
/** Crockford's base32: nothing that looks like something else. Twelve of them are 60 bits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * Ten codes for whoever has lost their factors.
 *
 * @returns the codes, to be shown once, and what is stored of them
 */
export async function makeRecoveryCodes(
  slowHash: SlowHash,
  nowMs: number,
): Promise<{ readonly codes: readonly string[]; readonly stored: RecoveryCodes }> {
  const salt = randomBytes(16);
  const plain = Array.from({ length: CODES }, newCode);
  const digests: string[] = [];
  for (const code of plain) digests.push((await slowHash.digest(code, salt)).toString('base64url'));
  return {
    codes: plain.map(code => code.match(/.{4}/g)?.join('-') ?? code),
    stored: { salt: salt.toString('base64url'), digests, madeAt: nowMs },
  };
}

/**
 * The digest of a code, if it is one of those that are left. One computation, whichever it is and whether or not it is any.
 *
 * @param code as it was typed
 */
export async function findRecoveryCode(
  slowHash: SlowHash,
  stored: RecoveryCodes | undefined,
  code: string,
): Promise<string | undefined> {
  const salt = stored ? Buffer.from(stored.salt, 'base64url') : Buffer.alloc(16);
  const digest = await slowHash.digest(plainCode(code), salt);
  let found: string | undefined;
  for (const each of stored?.digests ?? []) {
    if (timingSafeEqual(Buffer.from(each, 'base64url'), digest)) found = each;
  }
  return found;
}

function newCode(): string {
  return Array.from({ length: CHARACTERS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** Upper case, spaces and hyphens do not matter, nor does o for 0 and i or l for 1. */
function plainCode(code: string): string {
  return code
    .slice(0, 64)
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s-]/gu, '')
    .replaceAll('o', '0')
    .replace(/[il]/g, '1');
}
