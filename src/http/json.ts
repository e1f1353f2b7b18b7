import type { Context } from 'koa';
import { Refused } from '../errors.ts';
import { POLLUTING_KEYS, repeatedMember, shown } from '../input/index.ts';
import { type BodyRefusal, readBody } from './form.ts';

export type JsonRefusal = 'json-too-deep' | 'json-member-repeated' | 'json-key-not-permitted';

const MAX_JSON_BYTES = 262_144;
/** Nothing that we take is nested half as deep. */
const MAX_DEPTH = 16;
/** RFC 7396 registers the second for PATCH. */
const JSON_TYPE = /^application\/(?:json|merge-patch\+json)\s*(?:;|$)/i;

/**
 * Reads a JSON body. What it holds is for the use case to say; here only what no use case wants is refused.
 *
 * @throws {Refused<BodyRefusal | JsonRefusal>} for another media type, more than 256 KiB, what is not JSON in UTF-8, nesting
 *   beyond 16 levels, a member that stands twice, or a key called `__proto__`, `constructor` or `prototype`
 */
export async function readJson(ctx: Context): Promise<unknown> {
  const contentType = ctx.headers['content-type'];
  if (contentType === undefined || !JSON_TYPE.test(contentType)) {
    throw new Refused<BodyRefusal>('media-type-not-supported', {
      parameter: 'Content-Type',
      ...(contentType !== undefined && { sent: shown(contentType) }),
      permitted: ['application/json', 'application/merge-patch+json'],
    });
  }
  return parseJson(await readBody(ctx.req, MAX_JSON_BYTES));
}

/** Parses the bytes of a JSON body; see `readJson`. */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw new Refused<BodyRefusal>('json-malformed', {}, { cause: error });
  }
  const repeated = repeatedMember(text);
  if (repeated !== undefined) {
    throw new Refused<JsonRefusal>('json-member-repeated', { parameter: shown(repeated) });
  }
  assertHarmless(value, 1);
  return value;
}

function assertHarmless(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_DEPTH) {
    throw new Refused<JsonRefusal>('json-too-deep', { permitted: [`at most ${MAX_DEPTH} levels`] });
  }
  for (const [key, member] of Object.entries(value)) {
    if (POLLUTING_KEYS.has(key)) throw new Refused<JsonRefusal>('json-key-not-permitted', { parameter: key });
    assertHarmless(member, depth + 1);
  }
}
