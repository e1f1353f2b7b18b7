import { LRUCache } from 'lru-cache';

/** Keeps at most so many entries: the least recently used goes first. */
export type RecentlyUsed<V extends object> = Pick<
  LRUCache<string, V>,
  'get' | 'set' | 'delete' | 'clear' | 'size'
>;

/**
 * Takes room as entries come. Bounded by `max`, the library would lay out room for all of them at once: a millisecond and half a
 * megabyte for each of the dozen that a start makes.
 */
export function newRecentlyUsed<V extends object>(most: number): RecentlyUsed<V> {
  return new LRUCache<string, V>({ maxSize: most, sizeCalculation: () => 1 });
}
