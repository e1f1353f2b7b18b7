import type { StoreLocation } from '../config/index.ts';
import { migrateMongo, openMongoStore } from './mongo/index.ts';
import { openSqliteStore } from './sqlite/index.ts';
import type { Store, StoreOptions } from './store.ts';

/** Opens the configured store, with its schema brought up to date. Opening it leaves a row in the trail. */
export async function openStore(location: StoreLocation, options: StoreOptions): Promise<Store> {
  if (location.kind === 'sqlite') return openSqliteStore(location.path, options);
  const uri = location.uri.reveal();
  await migrateMongo(uri);
  return openMongoStore(uri, options);
}
