/** Counters of attempts that all processes share, and that outlast them (I16). */
export interface AttemptStore {
  /**
   * Adds to counters, which begin at 0.
   *
   * @returns for each addition, in order, what its counter is at; durable by then, and counted exactly, however many processes add
   *   at the same time
   * @throws {StoreUnavailable}
   */
  addAttempts(additions: readonly AttemptAddition[]): Promise<readonly number[]>;

  /**
   * Reads counters, without waiting for whoever writes.
   *
   * @param keys as they were added to
   * @returns for each key, in order, what has been added to its counter by any process, and committed; 0 where nothing was
   * @throws {StoreUnavailable}
   */
  readAttempts(keys: readonly string[]): Promise<readonly number[]>;
}

export interface AttemptAddition {
  /** What is counted; a period of time is part of it, so that a new one begins at 0. Only its digest is stored. */
  readonly key: string;
  readonly count: number;
  /** Milliseconds since the epoch; after that the counter may be forgotten. */
  readonly expiresAt: number;
}
