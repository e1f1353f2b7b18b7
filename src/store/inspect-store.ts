import type { StoreLocation } from '../config/index.ts';
import { cannotUseStore } from './cannot-use-store.ts';
import { inspectSqlite } from './sqlite/inspect.ts';
import type { StoreInspection } from './store-inspection.ts';

export type { StoreInspection };

/**
 * Looks into a store.
 *
 * @returns undefined where there is none yet
 * @throws {CannotUse} when it cannot be read
 */
export async function inspectStore(location: StoreLocation): Promise<StoreInspection | undefined> {
  try {
    return await inspect(location);
  } catch (error) {
    throw cannotUseStore(error, location);
  }
}

async function inspect(location: StoreLocation): Promise<StoreInspection | undefined> {
  if (location.kind === 'sqlite') return inspectSqlite(location.path);
  const { inspectMongo } = await import('./mongo/inspect.ts');
  return inspectMongo(location.uri.reveal());
}
