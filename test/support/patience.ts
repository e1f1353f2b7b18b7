import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailable } from '../../src/errors.ts';
import type { Store } from '../../src/store/store.ts';

const PAUSE_MS = 20;

/**
 * Asks a store again while it refuses to tell: starved of its processor it may not know for a moment what others have committed, and
 * rather says so than something old. What it answers then is what a test wants to know.
 */
export async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await delay(PAUSE_MS);
    }
  }
}

/** A `fetch` that asks again while it is told 503: a process that is starved cannot tell for a moment, and has done nothing then. */
export const untilTold: typeof fetch = async (input, init) => {
  for (;;) {
    const response = await fetch(input, init);
    if (response.status !== 503) return response;
    await response.body?.cancel();
    await delay(PAUSE_MS);
  }
};

/** The store with patience in whatever only reads. Once closed it refuses as every other. */
export function patientStore(store: Store): Store {
  let isClosed = false;
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name === 'close') isClosed = true;
      const isRead = /^(find|list|read|fresh)/.test(String(name));
      if (!isRead || isClosed) return member.bind(target);
      return (...args: unknown[]) => untilAnswered(async () => member.apply(target, args));
    },
  });
}
