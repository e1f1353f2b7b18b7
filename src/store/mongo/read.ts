import mongoose, { type QueryFilter } from 'mongoose';
import { StoreUnavailable } from '../../errors.ts';

/** A read that takes longer is a failed one: whoever waits for it is waiting for a yes or a no. */
const READ_TIMEOUT_MS = 1_000;

/**
 * Runs a read.
 *
 * @throws {StoreUnavailable} whatever goes wrong, and after a second
 */
export async function read<T>(work: () => PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreUnavailable('a read took too long')), READ_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work(), timeout]);
  } catch (error) {
    throw error instanceof StoreUnavailable ? error : new StoreUnavailable('a read failed', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A filter with operators of our own. `sanitizeFilter` would take them for injected ones; it can be got around, so every value
 * from outside is turned into a primitive before it comes here, and nowhere else are operators used.
 */
export function trustedFilter<D>(filter: Readonly<Record<string, unknown>>): QueryFilter<D> {
  return Object.fromEntries(
    Object.entries(filter).map(([field, value]) => [
      field,
      typeof value === 'object' && value !== null ? mongoose.trusted(value as never) : value,
    ]),
  ) as QueryFilter<D>;
}
