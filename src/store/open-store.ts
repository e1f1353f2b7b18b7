import type { StoreLocation } from '../config/index.ts';
import { cannotUseStore } from './cannot-use-store.ts';
import { openSqliteStore } from './sqlite/index.ts';
import type { Store, StoreOptions } from './store.ts';

/**
 * Opens the configured store, with its schema brought up to date. Opening it leaves a row in the trail.
 *
 * @throws {CannotUse} when something is in the way that whoever runs the server can mend
 */
export async function openStore(location: StoreLocation, options: StoreOptions): Promise<Store> {
  try {
    return await open(location, options);
  } catch (error) {
    throw cannotUseStore(error, location);
  }
}

async function open(location: StoreLocation, options: StoreOptions): Promise<Store> {
  if (location.kind === 'sqlite') return openSqliteStore(location.path, options);
  // A driver that is as large as the rest of the server is loaded where it is used.
  const { migrateMongo, openMongoStore } = await import('./mongo/index.ts');
  const uri = location.uri.reveal();
  await migrateMongo(uri);
  return openMongoStore(uri, options);
}
