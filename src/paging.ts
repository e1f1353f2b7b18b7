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
