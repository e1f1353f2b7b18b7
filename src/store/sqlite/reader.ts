import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { StoreUnavailable } from '../../errors.ts';
import { ReadFigures } from '../store-figures.ts';

type Lookup = {
  readonly read: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
};

/**
 * Reads on the main thread, all of one turn of the event loop in one transaction: the lookups of a turn share its cost, and
 * each sees the same snapshot, in which everything that was announced before has been heard of.
 */
export class TurnReader {
  readonly figures = new ReadFigures();
  readonly #database: DatabaseSync;
  readonly #beginTurn: () => void;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #lookups: Lookup[] = [];
  #isFresh = false;
  #isClosed = false;

  /** @param beginTurn called first in each transaction; its failure fails every lookup of the turn */
  constructor(database: DatabaseSync, beginTurn: () => void) {
    this.#database = database;
    this.#beginTurn = beginTurn;
    this.#begin = database.prepare('BEGIN');
    this.#commit = database.prepare('COMMIT');
  }

  /** Runs a lookup in the next turn's transaction, which begins after this call. */
  read<T>(read: () => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(new StoreUnavailable('the store is closed'));
    return new Promise<T>((resolve, reject) => {
      if (this.#lookups.length === 0) setImmediate(() => this.#turn());
      this.#lookups.push({ read, resolve: resolve as (value: never) => void, reject });
    });
  }

  /**
   * Resolves once everything has been heard of that was committed before this call. What goes on at once with what a turn has brought,
   * waiting for nothing else, is as fresh as that turn: nobody can have come since.
   */
  fresh(): Promise<void> {
    return this.#isFresh && !this.#isClosed ? Promise.resolve() : this.read(() => undefined);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#lookups.length > 0) this.#turn();
    this.#database.close();
  }

  #turn(): void {
    const lookups = this.#lookups;
    this.#lookups = [];
    if (lookups.length === 0) return;
    const startedAt = performance.now();
    this.figures.lookups += lookups.length;
    const settled: (() => void)[] = [];
    try {
      this.#begin.run();
      this.#beginTurn();
      for (const { read, resolve, reject } of lookups) {
        try {
          const value = read() as never;
          settled.push(() => resolve(value));
        } catch (error) {
          this.figures.failed += 1;
          settled.push(() => reject(unavailable(error)));
        }
      }
      this.#commit.run();
      this.figures.durations.observe(performance.now() - startedAt);
    } catch (error) {
      this.figures.failed += lookups.length;
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      for (const { reject } of lookups) reject(unavailable(error));
      return;
    }
    this.#isFresh = true;
    for (const settle of settled) settle();
    // A tick that is asked for in a microtask comes when no microtask is left, and before anything from outside.
    queueMicrotask(() =>
      process.nextTick(() => {
        this.#isFresh = false;
      }),
    );
  }
}

function unavailable(error: unknown): StoreUnavailable {
  return error instanceof StoreUnavailable ? error : new StoreUnavailable('a read failed', { cause: error });
}
