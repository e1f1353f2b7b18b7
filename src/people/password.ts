import { Refused } from '../errors.ts';
import type { SlowHash } from './slow-hash.ts';

export type PasswordRefusal =
  | 'password-too-short'
  | 'password-too-long'
  | 'password-common'
  | 'password-about-you';

/** NIST SP 800-63B-4 section 3.1.1.2: eight where a second factor is always asked for, as it is here; no rules of composition. */
const LEAST_CHARACTERS = 8;
const MOST_CHARACTERS = 256;
const OF_THE_PRODUCT = ['countersign', 'password', 'administrator'];
/** A shorter part of a name or address would forbid too much. */
const LEAST_OF_A_NAME = 4;

let common: ReadonlySet<string> | undefined;

/**
 * Hashes a new password, after refusing what an attacker tries first: the commonest of those that have leaked, with or without
 * a few characters around them, one character or run repeated, the person's own name or address, our name.
 *
 * @param about the person's name and address
 * @throws {Refused<PasswordRefusal>}
 */
export async function hashNewPassword(
  slowHash: SlowHash,
  password: string,
  about: readonly string[],
): Promise<string> {
  const text = normalised(password);
  const length = [...text].length;
  if (length < LEAST_CHARACTERS) {
    throw new Refused<PasswordRefusal>('password-too-short', {
      permitted: [`${LEAST_CHARACTERS} characters or more`],
    });
  }
  if (length > MOST_CHARACTERS) {
    throw new Refused<PasswordRefusal>('password-too-long', { permitted: [`at most ${MOST_CHARACTERS}`] });
  }
  const lower = text.toLowerCase();
  if (await isCommon(lower)) throw new Refused<PasswordRefusal>('password-common');
  if (isMadeOf(lower, [...about.flatMap(partsOf), ...OF_THE_PRODUCT])) {
    throw new Refused<PasswordRefusal>('password-about-you');
  }
  return slowHash.hash(text);
}

/**
 * Whether a password is right. Takes as long where there is none to compare it with.
 *
 * @param phc undefined where the person has no password, or there is no such person: then it is not
 */
export function isPasswordOf(
  slowHash: SlowHash,
  phc: string | undefined,
  password: string,
): Promise<boolean> {
  return slowHash.isHashOf(phc, normalised(password).slice(0, MOST_CHARACTERS + 1));
}

/** The same characters however a keyboard composes them (NIST SP 800-63B-4 section 3.1.1.2). */
function normalised(password: string): string {
  return password.normalize('NFKC');
}

async function isCommon(lower: string): Promise<boolean> {
  // Half a megabyte of text, for the few moments in which somebody chooses a password.
  common ??= new Set((await import('@zxcvbn-ts/language-common')).dictionary['passwords-common'].map(String));
  // "password2026!" is as common as "password": everybody adds the same.
  const bare = lower.replace(/^[\d\W_]+|[\d\W_]+$/gu, '');
  return (
    common.has(lower) ||
    (bare.length >= LEAST_OF_A_NAME && common.has(bare) && lower.length - bare.length <= 4) ||
    isRun(lower)
  );
}

/** One character or one short run again and again, or characters in their order. */
function isRun(text: string): boolean {
  if (/^(.{1,4})\1+$/su.test(text)) return true;
  const steps = new Set(
    [...text].slice(1).map((character, at) => (character.codePointAt(0) ?? 0) - (text.codePointAt(at) ?? 0)),
  );
  return steps.size === 1;
}

/** Whether little is left of a text without the words. */
function isMadeOf(lower: string, words: readonly string[]): boolean {
  return words.some(word => lower.includes(word) && lower.length - word.length < LEAST_CHARACTERS);
}

function partsOf(text: string): readonly string[] {
  const lower = normalised(text).toLowerCase();
  return [lower, ...lower.split(/[^\p{L}\p{N}]+/u)].filter(part => part.length >= LEAST_OF_A_NAME);
}
