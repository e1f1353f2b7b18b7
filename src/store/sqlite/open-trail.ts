import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TrailReader } from '../trail-reader.ts';
import { openToLook } from './database.ts';
import { schemaVersion } from './migrations.ts';
import { prepareTrailReads } from './trail-reads.ts';

export function openSqliteTrail(path: string): TrailReader | undefined {
  const file = resolve(path);
  if (!existsSync(file)) return undefined;
  const { database, assertSettled } = openToLook(file);
  if (schemaVersion(database) === 0) {
    database.close();
    return undefined;
  }
  const reads = prepareTrailReads(database);
  const settled = async <T>(value: T): Promise<T> => {
    assertSettled();
    return value;
  };
  return {
    description: `SQLite ${file}`,
    listLanes: () => settled(reads.lanes()),
    readLane: (...asked) => settled(reads.lane(...asked)),
    readCuts: () => settled(reads.cuts()),
    readNewest: limit => settled(reads.newest(limit)),
    close: async () => database.close(),
  };
}
