import { type IfMatch, isMet } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { shown } from '../input/index.ts';

/** - `if-match-malformed`: what is said of versions cannot be read */
export type IfMatchRefusal = 'if-match-malformed';

/** One element of the list: an entity tag, weak or strong (RFC 9110 section 8.8.3), or nothing (section 5.6.1.2). */
const ELEMENT = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(,|$)/y;
/** How we write versions: any other tag is of no version of ours. */
const VERSION = /^[1-9]\d{0,14}$/;

/**
 * Reads `If-Match` (RFC 9110 section 13.1.1): `*`, or a list of entity tags. The comparison is strong, so a weak tag matches nothing,
 * nor does a tag that we never give: they are left out.
 *
 * @param header the header as it came, several joined by commas; undefined where there was none
 * @throws {Refused<IfMatchRefusal>} `if-match-malformed`: what cannot be read is not taken for no condition
 */
export function readIfMatch(header: string | undefined): IfMatch | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return '*';
  const versions: number[] = [];
  let tags = 0;
  for (let at = 0; at < header.length; at = ELEMENT.lastIndex) {
    ELEMENT.lastIndex = at;
    const [, weak, tag] = ELEMENT.exec(header) ?? refuse(header);
    if (tag === undefined) continue;
    tags += 1;
    if (weak === undefined && VERSION.test(tag)) versions.push(Number(tag));
  }
  return tags === 0 ? refuse(header) : versions;
}

/**
 * Evaluates a condition on what is no single record, or on one that was only read.
 *
 * @param version of the record; undefined where what is there has no entity tag, which only `*` matches
 * @throws {Refused<RevisionRefusal>} `version-changed`
 */
export function assertMet(condition: IfMatch | undefined, version: number | undefined, sent: string): void {
  if (condition === undefined || isMet(condition, version)) return;
  throw new Refused('version-changed', {
    parameter: 'If-Match',
    sent: shown(sent),
    permitted: version === undefined ? ['*', 'no If-Match'] : [`"${version}"`],
  });
}

function refuse(header: string): never {
  throw new Refused<IfMatchRefusal>('if-match-malformed', {
    parameter: 'If-Match',
    sent: shown(header),
    permitted: ['*', 'the ETag of a record, like "3"', 'several of them, separated by commas'],
  });
}
