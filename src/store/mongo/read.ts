import mongoose, { type QueryFilter } from 'mongoose';
import { StoreUnavailable } from '../../errors.ts';
import { ReadFigures } from '../store-figures.ts';

/** A read that takes longer is a failed one: whoever waits for it is waiting for a yes or a no. */
const READ_TIMEOUT_MS = 1_000;

/** For readers of the trail, who take much at a time and whom nobody waits for: a busy database is no reason to give up. */
const TRAIL_READ_TIMEOUT_MS = 10_000;

/** Of all reads of the process: it has one store. How many times longer than usual they may take. */
export const readPatience = { factor: 1 };

/** Of all reads of the process: it has one store. */
export const readFigures = new ReadFigures();

/**
 * Runs a read.
 *
 * @throws {StoreUnavailable} whatever goes wrong, and after a second
 */
export function read<T>(work: () => PromiseLike<T>): Promise<T> {
  return readWithin(READ_TIMEOUT_MS, work);
}

/**
 * Runs a read of the trail.
 *
 * @throws {StoreUnavailable} whatever goes wrong, and after ten seconds
 */
export function readTrail<T>(work: () => PromiseLike<T>): Promise<T> {
  return readWithin(TRAIL_READ_TIMEOUT_MS, work);
}

async function readWithin<T>(milliseconds: number, work: () => PromiseLike<T>): Promise<T> {
  const startedAt = performance.now();
  readFigures.lookups += 1;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new StoreUnavailable('a read took too long')),
      milliseconds * readPatience.factor,
    );
  });
  try {
    return await Promise.race([work(), timeout]);
  } catch (error) {
    readFigures.failed += 1;
    throw error instanceof StoreUnavailable ? error : new StoreUnavailable('a read failed', { cause: error });
  } finally {
    readFigures.durations.observe(performance.now() - startedAt);
    clearTimeout(timer);
  }
}

/**
 * A filter with operators of our own. `sanitizeFilter` would take them for injected ones; it can be got around, so every value
 * from outside is turned into a primitive before it comes here, and nowhere else are operators used.
 */
export function trustedFilter<D>(filter: Readonly<Record<string, unknown>>): QueryFilter<D> {
  return Object.fromEntries(
    Object.entries(filter).map(([field, value]) => [field, trusted(field, value)]),
  ) as QueryFilter<D>;
}

function trusted(field: string, value: unknown): unknown {
  // The alternatives are looked into one by one.
  if (field === '$or') return (value as readonly Readonly<Record<string, unknown>>[]).map(trustedFilter);
  return typeof value === 'object' && value !== null ? mongoose.trusted(value as never) : value;
}
