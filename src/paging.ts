import { z } from 'zod';
import { closedObject } from './input.ts';

/** One page of a list that is ordered by identifier. */
export interface PageRequest {
  /** The identifier after which the page begins; from the start where absent. */
  readonly after?: string;
  /** How many records at most, 1 to 200. */
  readonly limit: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The identifier to continue after; absent on the last page. */
  readonly next?: string;
}

/** Makes a page from up to `limit + 1` records: the one too many only tells that there is more. */
export function pageOf<T extends { readonly id: string }>(records: readonly T[], limit: number): Page<T> {
  const items = records.slice(0, limit);
  const last = items.at(-1);
  return records.length > limit && last ? { items, next: last.id } : { items };
}

const MAX_LIMIT = 200;
const DEFAULT_LIMIT = 50;

const LIMIT = `a whole number from 1 to ${MAX_LIMIT}`;
const limit = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, { error: LIMIT })
  .transform(Number)
  .refine(value => value <= MAX_LIMIT, { error: LIMIT })
  .default(DEFAULT_LIMIT);

/** How a page is asked for in a URL. */
export const pageQuery = closedObject({
  after: z
    .string()
    .regex(/^[a-z]{2,8}_[0-9a-f]{32}$/, { error: 'the `next` of the page before' })
    .optional(),
  limit,
});

/** How the newest entries of something are asked for in a URL. */
export const newestQuery = closedObject({ limit });

/** The page that a query asks for. */
export function pageRequest(query: z.output<typeof pageQuery>): PageRequest {
  return { limit: query.limit, ...(query.after !== undefined && { after: query.after }) };
}

/** The same page, of other things: what is shown of each record. */
export function mapPage<T, U>(page: Page<T>, show: (item: T) => U): Page<U> {
  return { ...page, items: page.items.map(show) };
}
