import type { DatabaseSync } from 'node:sqlite';
import { facetsOfEvent } from '../../audit/event-facets.ts';
import type { ManagedRecord } from '../../audit/index.ts';
import { CannotUse } from '../../cannot-use.ts';
import type { FiledCollection } from '../record-facets.ts';
import { RecordFiler } from './file-record.ts';
import { placeToken } from './token-place.ts';

/**
 * The schema, one step a version. A step is never edited once released: a new one is added. `PRAGMA user_version` holds how
 * many have been applied.
 */
const STEPS: readonly (string | ((database: DatabaseSync) => void))[] = [
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
    position INTEGER PRIMARY KEY, lane TEXT NOT NULL, seq INTEGER NOT NULL,
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
  `
  CREATE TABLE deployment(id TEXT PRIMARY KEY, version INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;
  CREATE TABLE decision(epoch INTEGER NOT NULL, id TEXT NOT NULL, decision TEXT NOT NULL, PRIMARY KEY(epoch, id)) STRICT, WITHOUT ROWID;
  `,
  `
  -- Of refusals alone, so that what is done costs no index. Not part of what is hashed: it is read out of the body.
  ALTER TABLE audit ADD COLUMN refused_request TEXT;
  CREATE INDEX audit_refused_request ON audit(refused_request) WHERE refused_request IS NOT NULL;
  `,
  `
  CREATE TABLE attempt(digest BLOB PRIMARY KEY, count INTEGER NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX attempt_expiry ON attempt(expires_at);
  `,
  `
  CREATE TABLE kept_answer(
    id TEXT PRIMARY KEY, request_digest TEXT NOT NULL, expires_at INTEGER NOT NULL, answer TEXT NOT NULL
  ) STRICT;
  CREATE INDEX kept_answer_expiry ON kept_answer(expires_at);
  `,
  `
  -- By what records are found and ordered, besides their identifiers: see record-facets.ts.
  CREATE TABLE record_facet(facet TEXT NOT NULL, id TEXT NOT NULL, name_key TEXT NOT NULL, PRIMARY KEY(facet, id)) STRICT, WITHOUT ROWID;
  CREATE INDEX record_facet_name ON record_facet(facet, name_key, id);
  CREATE INDEX record_facet_id ON record_facet(id);
  -- Every agent has a row: of one that was never used, used_at is 0 and idle_since when it was registered.
  ALTER TABLE agent_use ADD COLUMN idle_since INTEGER NOT NULL DEFAULT 0;
  UPDATE agent_use SET idle_since = used_at;
  INSERT OR IGNORE INTO agent_use(agent_id, used_at, idle_since) SELECT id, 0, payload ->> '$.createdAt' FROM agent;
  CREATE INDEX agent_use_idle ON agent_use(idle_since, agent_id);
  `,
  database => {
    const filer = new RecordFiler((sql, ...values) => void database.prepare(sql).run(...values));
    for (const collection of ['agent', 'person', 'resource'] satisfies FiledCollection[]) {
      for (const { payload } of database.prepare(`SELECT payload FROM ${collection}`).all()) {
        filer.file(collection, JSON.parse(payload as string) as ManagedRecord);
      }
    }
  },
  database => {
    database.exec(`
      -- By what events are found: see event-facets.ts. Not of tokens, so that they cost no index.
      CREATE TABLE audit_facet(facet TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY(facet, position)) STRICT, WITHOUT ROWID;
    `);
    const add = database.prepare('INSERT INTO audit_facet(facet, position) VALUES (?, ?)');
    for (const { position, body } of database.prepare('SELECT position, body FROM audit').iterate()) {
      for (const facet of facetsOfEvent(body as string)) add.run(facet, position as number);
    }
  },
  `
  -- Up to where rows of a lane may be removed. The lane without a name counts how often cuts were moved.
  CREATE TABLE audit_cut(lane TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT, WITHOUT ROWID;
  DROP TRIGGER audit_is_append_only_delete;
  CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
    WHEN NOT EXISTS (SELECT 1 FROM audit_cut WHERE lane = OLD.lane AND seq >= OLD.seq)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  `,
  `
  CREATE TABLE person_credential(id TEXT PRIMARY KEY, version INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;
  -- What people hold for a while: enrolment links, begun sign-ins, sessions.
  CREATE TABLE pass(
    kind TEXT NOT NULL, key TEXT NOT NULL, person_id TEXT NOT NULL, version INTEGER NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, payload TEXT NOT NULL, PRIMARY KEY(kind, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pass_person ON pass(person_id, kind);
  CREATE INDEX pass_expiry ON pass(expires_at);
  `,
  `
  -- The highest time at which anything was committed: see kept-time.ts.
  CREATE TABLE kept_time(id INTEGER PRIMARY KEY CHECK (id = 1), era INTEGER NOT NULL, committed_at INTEGER NOT NULL) STRICT;
    `,
  `
  -- Of person, agent and resource server; null once it has ended, so that one active one at most has it.
  CREATE TABLE delegation(id TEXT PRIMARY KEY, active_key TEXT UNIQUE, version INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;
  `,
  `
  -- The digest of what is asked; null once it waits no longer, so that one identical request at most waits.
  CREATE TABLE elevation(id TEXT PRIMARY KEY, pending_key TEXT UNIQUE, version INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;
  `,
  database => {
    database.exec(`
      -- The number says where a token stands: see token-place.ts. Another name, so that a process of an older version that still runs
      -- refuses, and puts none where nobody finds it.
      CREATE TABLE access_token(
        id INTEGER PRIMARY KEY, key BLOB NOT NULL, client_id TEXT NOT NULL, resource_id TEXT NOT NULL,
        issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, lineage TEXT NOT NULL, answer TEXT NOT NULL
      ) STRICT;
      CREATE INDEX access_token_client ON access_token(client_id);
    `);
    const copy = database.prepare('INSERT OR IGNORE INTO access_token SELECT ?, * FROM token WHERE key = ?');
    for (const row of database.prepare('SELECT key FROM token').iterate()) {
      const key = Buffer.from(row['key'] as Uint8Array);
      placeToken(
        key,
        place => copy.run(place, key).changes > 0,
        () => false,
      );
    }
    database.exec('DROP TABLE token');
  },
];

export const SCHEMA_VERSION = STEPS.length;

/**
 * Brings the schema up to date, all steps in one transaction. Processes that start together take turns.
 *
 * @param target how many steps it shall have: fewer only where an older version is to be played
 * @throws when the database was written by a newer version
 */
export function migrate(database: DatabaseSync, target = SCHEMA_VERSION): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    const current = schemaVersion(database);
    if (current > SCHEMA_VERSION) {
      throw new CannotUse(
        'The store (COUNTERSIGN_STORE)',
        `the database has schema version ${current}, this program knows ${SCHEMA_VERSION}`,
        'run a newer version of Countersign',
      );
    }
    for (const step of STEPS.slice(current, target)) {
      if (typeof step === 'string') database.exec(step);
      else step(database);
    }
    database.exec(`PRAGMA user_version = ${Math.max(current, target)}`);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** How many steps of the schema a database has. */
export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
}
