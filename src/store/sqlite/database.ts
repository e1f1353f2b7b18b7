import { DatabaseSync } from 'node:sqlite';
import { CannotUse } from '../../cannot-use.ts';

/** How long the writer waits for another process's transaction. Only the writing thread ever waits. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the connection that writes. Its pragmas are set explicitly and read back, since drivers differ in their defaults and a
 * database at synchronous=NORMAL can lose an acknowledged commit when the power goes.
 *
 * @param patience how many times longer than usual it waits for another process's transaction
 * @throws when the file cannot be opened, or durability cannot be had
 */
export function openForWriting(path: string, patience = 1): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS * patience });
  database.exec(`
    PRAGMA page_size = 8192;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 67108864;
  `);
  assertPragma(database, 'journal_mode', 'wal');
  assertPragma(database, 'synchronous', 2);
  return database;
}

/** Opens a connection that only reads. It never waits for a lock: in WAL mode readers and the writer do not block each other. */
export function openForReading(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  database.exec('PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;');
  assertPragma(database, 'journal_mode', 'wal');
  return database;
}

function assertPragma(database: DatabaseSync, name: string, expected: string | number): void {
  const actual = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (actual !== expected)
    throw new CannotUse(
      'The store (COUNTERSIGN_STORE)',
      `SQLite has ${name} at ${String(actual)} there, and it has to be ${String(expected)}`,
      'put it on a local disk that the user who runs this may write to',
    );
}
