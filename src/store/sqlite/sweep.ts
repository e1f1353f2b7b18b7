import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Rows looked at in one go: about 10 ms of the writing thread, so that commits hardly wait. */
const BATCH = 500;
/** Batches of tokens that are looked at in one go where nothing has expired: to read them costs little. */
const PAGES_WALKED = 10;
/** Before the place of every token. */
const BEGINNING = -1n;
/** What has expired is kept a little: a poll or a replay a moment too late is then still told apart from one never seen. */
const GRACE_MS = 60_000;
/** Values for one use go later: another process, whose clock is behind, would take a proof for alive that has ended here. */
const USED_GRACE_MS = 3_600_000;

/** Deletes what can no longer matter, a small batch at a time: expired tokens, passes and engine records, single-use values, old
 * announcements, counters of attempts, kept answers. */
export class Sweeper {
  readonly #page: StatementSync;
  readonly #deleteToken: StatementSync;
  readonly #deleteUsed: StatementSync;
  readonly #deleteFeed: StatementSync;
  readonly #deleteAttempts: StatementSync;
  readonly #deleteEngineRecords: StatementSync;
  readonly #deletePasses: StatementSync;
  readonly #deleteKeptAnswers: StatementSync;
  /** Where tokens are swept next from the front, and where next in the walk along all of them. */
  #front = BEGINNING;
  #walk = BEGINNING;

  constructor(database: DatabaseSync) {
    this.#page = database.prepare('SELECT id, expires_at FROM access_token WHERE id > ? ORDER BY id LIMIT ?');
    this.#page.setReadBigInts(true);
    this.#deleteToken = database.prepare('DELETE FROM access_token WHERE id = ?');
    this.#deleteUsed = database.prepare(
      'DELETE FROM used_once WHERE digest IN (SELECT digest FROM used_once WHERE expires_at < ? LIMIT ?)',
    );
    this.#deleteFeed = database.prepare(
      'DELETE FROM feed WHERE seq IN (SELECT seq FROM feed WHERE forget_at < ? ORDER BY seq LIMIT ?)',
    );
    this.#deleteAttempts = database.prepare(
      'DELETE FROM attempt WHERE digest IN (SELECT digest FROM attempt WHERE expires_at < ? LIMIT ?)',
    );
    this.#deleteEngineRecords = database.prepare(
      `DELETE FROM engine_record WHERE (model, key) IN
       (SELECT model, key FROM engine_record WHERE expires_at < ? LIMIT ?)`,
    );
    this.#deletePasses = database.prepare(
      'DELETE FROM pass WHERE (kind, key) IN (SELECT kind, key FROM pass WHERE expires_at < ? LIMIT ?)',
    );
    this.#deleteKeptAnswers = database.prepare(
      'DELETE FROM kept_answer WHERE id IN (SELECT id FROM kept_answer WHERE expires_at < ? LIMIT ?)',
    );
  }

  /**
   * Sweeps one batch.
   *
   * @param nowMs milliseconds since the epoch
   * @returns how many rows were deleted
   */
  sweep(nowMs: number): number {
    const before = nowMs - GRACE_MS;
    const used = Number(this.#deleteUsed.run(nowMs - USED_GRACE_MS, BATCH).changes);
    const announced = Number(this.#deleteFeed.run(before, BATCH).changes);
    const attempts = Number(this.#deleteAttempts.run(before, BATCH).changes);
    const engine = Number(this.#deleteEngineRecords.run(before, BATCH).changes);
    const passes = Number(this.#deletePasses.run(before, BATCH).changes);
    const kept = Number(this.#deleteKeptAnswers.run(before, BATCH).changes);
    return (
      this.#sweepTokens(Math.floor(before / 1000)) + used + announced + attempts + engine + passes + kept
    );
  }

  /**
   * Tokens are stored in order of issue, so expired ones are at the front and need no index on their expiry. Where none is there, a
   * walk along the whole table goes on from where it was, as what lives longer may stand before what has expired.
   */
  #sweepTokens(beforeSeconds: number): number {
    const front = this.#sweepPage(this.#front, beforeSeconds);
    this.#front = front.expired > 0 ? front.end : BEGINNING;
    if (front.expired > 0) return front.expired;
    for (let pages = 0; pages < PAGES_WALKED; pages += 1) {
      const { expired, end } = this.#sweepPage(this.#walk, beforeSeconds);
      this.#walk = end;
      if (expired > 0 || end === BEGINNING) return expired;
    }
    return 0;
  }

  /** @returns how many had expired of the tokens after a place, and the last place that was looked at; `BEGINNING` after the last of all */
  #sweepPage(after: bigint, beforeSeconds: number): { readonly expired: number; readonly end: bigint } {
    const rows = this.#page.all(after, BATCH) as { id: bigint; expires_at: bigint }[];
    const expired = rows.filter(row => row.expires_at < beforeSeconds);
    for (const row of expired) this.#deleteToken.run(row.id);
    const last = rows.at(-1);
    return { expired: expired.length, end: last && rows.length === BATCH ? last.id : BEGINNING };
  }
}
