import { replaceDeceptive } from './joiners.ts';
import { withoutSecrets } from './secret-text.ts';

/**
 * What no reader can see, or what changes how the text around it is read: controls, format characters (bidirectional overrides,
 * zero-width ones, tags), line and paragraph separators, lone surrogates, private and unassigned code points, and letters that
 * are drawn as nothing. Unicode's own properties, so that new characters are covered with the runtime's tables.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}]/gu;

/** White space of any kind, line ends and tabs included: it separates words, so it becomes one space. U+FEFF has no width. */
const SPACE = /[[\s\u0085]--\uFEFF]+/gv;

/** Longer texts are cut before they are looked at, so that the work is bounded (I16). */
const LOOKED_AT = 8;

/**
 * Makes text that a caller has sent fit to be recorded and shown (I17): on one line, in the order in which it is stored, without
 * anything unseen or anything that may be a secret (I11), of bounded length. It stays a claim: never decide by it.
 *
 * @param maxLength in UTF-16 code units; what is longer ends in an ellipsis
 * @returns well-formed text, possibly empty
 */
export function untrustedText(text: string, maxLength = 128): string {
  const lookedAt = text.slice(0, maxLength * LOOKED_AT);
  const seen = withoutSecrets(lookedAt.replace(SPACE, ' ').replace(UNSEEN, '').replace(SPACE, ' ').trim());
  if (seen.length <= maxLength && lookedAt.length === text.length) return seen;
  // A cut through the middle of a surrogate pair would leave half a character.
  return `${seen.slice(0, maxLength - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/**
 * Shows unseen characters as `\u{…}`, for a terminal: nothing in the result can move the cursor, colour or reverse anything. Joiners in
 * their place stay.
 */
export function visibleText(text: string): string {
  return replaceDeceptive(text, UNSEEN, unseen => `\\u{${unseen.codePointAt(0)?.toString(16)}}`);
}
