import { z } from 'zod';
import { Refused } from '../errors.ts';
import { nameKeyOf } from '../text/index.ts';
import { type InputRefusal, shown } from './input.ts';

/**
 * In which order records are listed: by identifier, which is by age unless it was chosen by who registered the record; newest
 * first; by name, without regard to case; those first that have not been used for longest.
 */
export type RecordOrder = 'id' | '-id' | 'name' | 'lastUsed';

/** One page of a list of records. */
export interface PageRequest {
  /** The `next` of the page before, in the same order; from the start where absent. */
  readonly after?: string;
  /** How many records at most, 1 to 200. */
  readonly limit: number;
  /** By identifier where absent. */
  readonly order?: RecordOrder;
  /** What each record is, such as `status active`: see the capability's own facets. The rarest first: it is looked up by that. */
  readonly facets?: readonly string[];
  /** With what the name begins, without regard to case. In order of name only. */
  readonly namePrefix?: string;
  /** Last used before, or registered before where never used; milliseconds since the epoch. In order of last use only. */
  readonly lastUsedBefore?: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Where to continue; absent on the last page. A page may be shorter than was asked for, even empty, and have one. */
  readonly next?: string;
}

/** A record with what it is ordered by. */
export interface Listed<T> {
  readonly record: T;
  /** Its name without case, or its last use; absent where the order is by identifier. */
  readonly key?: string | number;
}

/** Makes a page from up to `limit + 1` records: the one too many only tells that there is more. */
export function pageOf<T extends { readonly id: string }>(
  listed: readonly Listed<T>[],
  limit: number,
): Page<T> {
  const items = listed.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(({ record }) => record),
    ...(listed.length > limit && last && { next: cursorOf({ id: last.record.id, key: last.key }) }),
  };
}

/** Where a page begins: after the record with this identifier, and with this key where the order is by more than that. */
export interface Cursor {
  readonly key?: string;
  readonly id: string;
}

/** Where the page after a record begins. */
export function cursorOf({
  id,
  key,
}: {
  readonly id: string;
  readonly key: string | number | undefined;
}): string {
  return key === undefined ? id : `${Buffer.from(String(key)).toString('base64url')}.${id}`;
}

/** Reads what `cursorOf` has written. */
export function readCursor(after: string): Cursor {
  const dot = after.lastIndexOf('.');
  const id = after.slice(dot + 1);
  return dot === -1 ? { id } : { key: Buffer.from(after.slice(0, dot), 'base64url').toString(), id };
}

/** Comes after every name that begins with a prefix. */
export function endOfPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

const MAX_LIMIT = 200;
const DEFAULT_LIMIT = 50;

const LIMIT = `a whole number from 1 to ${MAX_LIMIT}`;
/** How many of a list are asked for in a URL. */
export const limitInput = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, { error: LIMIT })
  .transform(Number)
  .refine(value => value <= MAX_LIMIT, { error: LIMIT })
  .default(DEFAULT_LIMIT)
  .meta({
    description: 'How many at most.',
    wire: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
  });

const NEXT = 'the `next` of the page before, asked for in the same order';
const CURSOR = /^(?:[\w-]{1,1600}\.)?[a-z]{2,8}_[0-9a-f]{32}$/;
const PREFIX = 'the first characters of a name, 1 to 100';

/** How a page of a list of records is asked for in a URL: the members that every such list has. */
export const pageQuery = {
  after: z
    .string()
    .regex(CURSOR, { error: NEXT })
    .optional()
    .describe(
      'Where the page begins: the `next` of the page before, asked for with the same filters and order.',
    ),
  limit: limitInput,
  namePrefix: z
    .string()
    .min(1, { error: PREFIX })
    .max(100, { error: PREFIX })
    .optional()
    .describe('Only those whose name begins so, without regard to case. In order of name.'),
};

/** The orders that every list of records has. */
export const sortInput = z
  .enum(['id', '-id', 'name'])
  .optional()
  .describe(
    'In which order: `id`, which is by age unless an identifier was chosen; `-id`, newest first; `name`. By `id` where absent.',
  );

/** An instant in a URL, in milliseconds since the epoch. */
export const instantInput = z.iso
  .datetime({ offset: true, error: 'an instant such as 2026-01-31T12:00:00Z' })
  .transform(text => Date.parse(text))
  .meta({ wire: { type: 'string', format: 'date-time' } });

/** What the query of a list of records says, once it is read. */
export interface ListQuery {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly sort?: RecordOrder | undefined;
  readonly namePrefix?: string | undefined;
  readonly lastUsedBefore?: number | undefined;
}

/**
 * The page that a query asks for. A filter that is a range comes in the order of that range: in another one, everything would
 * have to be looked at.
 *
 * @param facets what each record is, the rarest first
 * @throws {Refused<InputRefusal>} where filters and order do not go together
 */
export function pageRequest(query: ListQuery, facets: readonly (string | undefined)[] = []): PageRequest {
  const { limit, after, namePrefix, lastUsedBefore } = query;
  const ranges = [
    ...(namePrefix === undefined ? [] : (['name'] as const)),
    ...(lastUsedBefore === undefined ? [] : (['lastUsed'] as const)),
  ];
  const order = query.sort ?? ranges[0] ?? 'id';
  for (const range of ranges) {
    if (range !== order)
      refuse('sort', order, `${range} with ${range === 'name' ? 'namePrefix' : 'lastUsedBefore'}`);
  }
  if (after !== undefined && after.includes('.') !== (order === 'name' || order === 'lastUsed')) {
    refuse('after', shown(after), NEXT);
  }
  return {
    limit,
    order,
    facets: facets.filter(facet => facet !== undefined),
    ...(after !== undefined && { after }),
    ...(namePrefix !== undefined && { namePrefix: nameKeyOf(namePrefix) }),
    ...(lastUsedBefore !== undefined && { lastUsedBefore }),
  };
}

function refuse(parameter: string, sent: string, permitted: string): never {
  throw new Refused<InputRefusal>('input-invalid', { parameter, sent, permitted: [permitted] });
}

/** The same page, of other things: what is shown of each record. */
export function mapPage<T, U>(page: Page<T>, show: (item: T) => U): Page<U> {
  return { ...page, items: page.items.map(show) };
}
