import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailable } from '../errors.ts';

/** This long is waited for a store that cannot tell yet. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 500;

/**
 * Does a part of a start, or of a command, again while the store cannot tell what other processes have committed, as after a
 * failover or on a busy machine. Each part looks first at what is there, so it may be done twice.
 *
 * @param onWait told each time, with why
 * @throws {StoreUnavailable} when it cannot tell for a minute
 */
export async function onceItCanTell<T>(
  onWait: (error: StoreUnavailable) => void,
  part: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    try {
      return await part();
    } catch (error) {
      const isOver = performance.now() - startedAt > PATIENCE_MS;
      if (!(error instanceof StoreUnavailable) || isOver) throw error;
      onWait(error);
      await delay(PAUSE_MS);
    }
  }
}
