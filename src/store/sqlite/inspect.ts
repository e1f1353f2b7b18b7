import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { StoreInspection } from '../store-inspection.ts';
import { openToLook } from './database.ts';
import { KeptTime } from './kept-time.ts';
import { SCHEMA_VERSION, schemaVersion } from './migrations.ts';

/** Tables that came later are missing in a store that waits to be migrated. */
export function inspectSqlite(path: string): StoreInspection | undefined {
  const file = resolve(path);
  if (!existsSync(file)) return undefined;
  const { database, assertSettled } = openToLook(file);
  try {
    const tables = new Set(
      database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .all()
        .map(({ name }) => String(name)),
    );
    const payloads = <T>(table: string): T[] =>
      tables.has(table)
        ? database
            .prepare(`SELECT payload FROM ${table}`)
            .all()
            .map(({ payload }) => JSON.parse(String(payload)) as T)
        : [];
    const newest = tables.has('audit')
      ? database.prepare('SELECT body FROM audit ORDER BY position DESC LIMIT 1').get()
      : undefined;
    const inspection: StoreInspection = {
      description: `SQLite ${file}`,
      schemaVersion: schemaVersion(database),
      knownVersion: SCHEMA_VERSION,
      signingKeys: payloads('signing_key'),
      deployment: payloads<NonNullable<StoreInspection['deployment']>>('deployment')[0],
      newestEventAt: newest && eventAt(String(newest['body'])),
      lastCommittedAt: tables.has('kept_time') ? new KeptTime(database).read() : undefined,
      clockAt: undefined,
    };
    assertSettled();
    return inspection;
  } finally {
    database.close();
  }
}

/** When the event of a row of the trail happened. */
export function eventAt(body: string): number {
  return (JSON.parse(body) as { readonly event: { readonly at: number } }).event.at;
}
