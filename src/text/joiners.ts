/**
 * Characters that are not seen themselves and yet change what is: joiners and non-joiners, by which names are spelled in many scripts, and
 * what emoji are put together with. In their place they belong to a name; anywhere else they make two names that look alike (I17).
 * The places are those of RFC 5892, appendix A.1 and A.2, and the emoji that Unicode recommends for interchange.
 */

/** Of the scripts that have joiners: the sign that takes the vowel away, after which either joiner chooses a form. */
const VIRAMAS = String.raw`\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u1039\u103a\u1714\u17d2\u1a60\u1b44\u1baa`;

/** Arabic letters that never join the next one, so that a non-joiner behind them changes nothing. */
const NEVER_JOINING = String.raw`\u0621-\u0625\u0627\u0629\u062f-\u0632\u0648\u0671-\u0677\u0688-\u0699\u06c0\u06c3-\u06cb\u06cd\u06cf\u06d2\u06d3\u06d5\u06ee\u06ef`;
const ARABIC_LETTER = String.raw`[\p{Script=Arabic}&&\p{L}]`;

const IN_THEIR_PLACE = [
  String.raw`\p{RGI_Emoji}`,
  String.raw`(?<=[${VIRAMAS}])[\u200c\u200d](?![\u200c\u200d])`,
  String.raw`(?<=[${ARABIC_LETTER}--[${NEVER_JOINING}]]\p{Mn}{0,4})\u200c(?=${ARABIC_LETTER})`,
].join('|');

const MAY_BE_IN_PLACE = /\u200c|\u200d|\ufe0f|[\u{e0020}-\u{e007f}]/u;

/**
 * Replaces what cannot be seen, or deceives, where it has no business.
 *
 * @param deceptive a class of characters, with the flag `u`
 */
export function replaceDeceptive(
  text: string,
  deceptive: RegExp,
  replacement: (character: string) => string,
): string {
  if (!MAY_BE_IN_PLACE.test(text)) return text.replace(new RegExp(deceptive, 'gu'), replacement);
  const either = new RegExp(`(?<kept>${IN_THEIR_PLACE})|${deceptive.source}`, 'gv');
  return text.replace(either, (found, kept?: string) => kept ?? replacement(found));
}
