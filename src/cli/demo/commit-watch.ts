import type { Unit } from '../../audit/index.ts';
import type { Change, Store } from '../../store/store.ts';

/** Hears of every commit of the server, which runs in this process: nobody has to ask again and again whether something was done. */
export class CommitWatch {
  readonly #listeners = new Set<() => void>();

  constructor(store: Pick<Store, 'commit'>) {
    const commit = store.commit;
    store.commit = async (unit: Unit<Change>) => {
      const outcome = await commit.call(store, unit);
      for (const listener of this.#listeners) listener();
      return outcome;
    };
  }

  /** Resolves once it is so: looked at now, and after each commit, until nobody waits any more. */
  async until(isSo: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    let { promise, resolve } = Promise.withResolvers<void>();
    const listener = () => resolve();
    this.#listeners.add(listener);
    signal.addEventListener('abort', listener);
    try {
      while (!signal.aborted && !(await isSo())) {
        await promise;
        ({ promise, resolve } = Promise.withResolvers<void>());
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', listener);
    }
  }
}
