import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
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

/** A database that is looked at: nothing is written, and no file is made beside it. */
export interface SeenDatabase {
  readonly database: DatabaseSync;
  /** @throws {Error} when what was read may have been changed meanwhile */
  assertSettled(): void;
}

/**
 * Opens a file to look at it, also where nothing can be written: a copy, or a store of somebody else.
 *
 * SQLite makes a log and an index beside whatever it opens in WAL mode. So where there is no log, nobody has the file open, and it is read
 * as one that does not change; whoever reads has `assertSettled` say afterwards that it did not.
 *
 * @throws {Error} when it is no database
 */
export function openToLook(path: string): SeenDatabase {
  const isInUse = (): boolean => ['-wal', '-journal'].some(suffix => existsSync(path + suffix));
  const place = pathToFileURL(path);
  const isSettled = !isInUse();
  if (isSettled) place.searchParams.set('immutable', '1');
  const stateOf = (): string => {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  };
  const state = stateOf();
  const database = new DatabaseSync(place, { readOnly: true, timeout: 1_000 });
  try {
    database.prepare('PRAGMA schema_version').get();
  } catch (error) {
    database.close();
    if (((error as { errcode?: number }).errcode ?? 0) !== SQLITE_NOTADB) throw error;
    throw new Error(`${path} is no database`, { cause: error });
  }
  return {
    database,
    assertSettled: () => {
      if (isSettled && (isInUse() || stateOf() !== state))
        throw new Error(`${path} was opened by somebody else while it was read: run this again`);
    },
  };
}

const SQLITE_NOTADB = 26;

function assertPragma(database: DatabaseSync, name: string, expected: string | number): void {
  const actual = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (actual !== expected)
    throw new CannotUse(
      'The store (COUNTERSIGN_STORE)',
      `SQLite has ${name} at ${String(actual)} there, and it has to be ${String(expected)}`,
      'put it on a local disk that the user who runs this may write to',
    );
}
