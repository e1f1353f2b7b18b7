import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { StoreUnavailable } from '../errors.ts';

/** A start waits this long for a store that cannot tell yet. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 500;

/**
 * Does a part of the start again while the store cannot tell what other processes have committed, as after a failover or on a busy
 * machine. Each part looks first at what is there, so it may be done twice.
 *
 * @throws {StoreUnavailable} when it cannot tell for a minute
 */
export async function onceItCanTell<T>(log: Logger, part: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    try {
      return await part();
    } catch (error) {
      const isOver = performance.now() - startedAt > PATIENCE_MS;
      if (!(error instanceof StoreUnavailable) || isOver) throw error;
      log.warn({ err: error }, 'the store cannot tell yet; the start goes on when it can');
      await delay(PAUSE_MS);
    }
  }
}
