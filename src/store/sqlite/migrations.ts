import type { DatabaseSync } from 'node:sqlite';

/**
 * The schema, one step a version. A step is never edited once released: a new one is added. `PRAGMA user_version` holds how
 * many have been applied.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE person(id TEXT PRIMARY KEY, email_key TEXT UNIQUE, version INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;
  CREATE TABLE agent(id TEXT PRIMARY KEY, owner_id TEXT NOT NULL, version INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;
  CREATE TABLE agent_use(agent_id TEXT PRIMARY KEY, used_at INTEGER NOT NULL) STRICT;
  CREATE TABLE resource(
    id TEXT PRIMARY KEY, identifier_key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, payload TEXT NOT NULL
  ) STRICT;
  CREATE TABLE signing_key(id TEXT PRIMARY KEY, version INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;

  -- The key begins with the time of issue, so that new rows go to the end and expired ones come off the front.
  CREATE TABLE token(
    key BLOB PRIMARY KEY, client_id TEXT NOT NULL, resource_id TEXT NOT NULL,
    issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, lineage TEXT NOT NULL, answer TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX token_client ON token(client_id, key);

  CREATE TABLE used_once(digest BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX used_once_expiry ON used_once(expires_at);

  -- What other processes must hear of, in order of commit: changed records and raised epochs.
  CREATE TABLE feed(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, epoch INTEGER NOT NULL, forget_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE audit(
    position INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, seq INTEGER NOT NULL,
    body TEXT NOT NULL, hash TEXT NOT NULL, UNIQUE(lane, seq)
  ) STRICT;
  CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  `,
  `
  CREATE TABLE engine_record(
    model TEXT NOT NULL, key TEXT NOT NULL, grant_id TEXT, uid TEXT,
    expires_at INTEGER NOT NULL, consumed_at INTEGER, payload TEXT NOT NULL, PRIMARY KEY(model, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX engine_record_grant ON engine_record(model, grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX engine_record_uid ON engine_record(model, uid) WHERE uid IS NOT NULL;
  CREATE INDEX engine_record_expiry ON engine_record(expires_at);
  `,
];

export const SCHEMA_VERSION = STEPS.length;

/**
 * Brings the schema up to date, all steps in one transaction. Processes that start together take turns.
 *
 * @throws when the database was written by a newer version
 */
export function migrate(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    const current = schemaVersion(database);
    if (current > SCHEMA_VERSION) {
      throw new Error(
        `the database has schema version ${current}, this program knows ${SCHEMA_VERSION}: run a newer version of Countersign`,
      );
    }
    for (const step of STEPS.slice(current)) database.exec(step);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
}
