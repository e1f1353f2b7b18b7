import type { StoreLocation } from '../config/index.ts';
import { openSqliteTrail } from './sqlite/open-trail.ts';
import type { TrailReader } from './trail-reader.ts';

export type { TrailReader };

/**
 * Opens the trail in a store to read it. Nothing is made, migrated or written.
 *
 * @returns undefined where there is no store
 * @throws {Error} when it cannot be read
 */
export async function openTrail(location: StoreLocation): Promise<TrailReader | undefined> {
  if (location.kind === 'sqlite') return openSqliteTrail(location.path);
  const { openMongoTrail } = await import('./mongo/open-trail.ts');
  return openMongoTrail(location.uri.reveal());
}
