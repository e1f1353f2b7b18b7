import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * The highest time at which anything was committed: one row, written in the transaction of each batch. It never goes back, but
 * where the machine's clock was accepted: that begins an era, and what was committed by a clock of an earlier one counts no longer.
 */
export class KeptTime {
  readonly #database: DatabaseSync;
  #raise: StatementSync | undefined;
  #read: StatementSync | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Within the open transaction. @param nowMs milliseconds since the epoch */
  note(nowMs: number, era: number): void {
    this.#raise ??= this.#database.prepare(
      `INSERT INTO kept_time(id, era, committed_at) VALUES (1, ?, ?)
       ON CONFLICT(id) DO UPDATE SET era = excluded.era, committed_at = excluded.committed_at
       WHERE excluded.era > era OR (excluded.era = era AND excluded.committed_at > committed_at)`,
    );
    this.#raise.run(era, Math.floor(nowMs));
  }

  /** @returns undefined in a store that has kept none yet */
  read(): number | undefined {
    this.#read ??= this.#database.prepare('SELECT committed_at FROM kept_time');
    return this.#read.get()?.['committed_at'] as number | undefined;
  }
}
