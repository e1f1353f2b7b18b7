import { type Background, recur } from '../background.ts';
import type { Store } from './store.ts';

/** Expired rows go in small batches: often enough that there are never many. */
const PAUSE_MS = 2_000;

/** Sweeps a store again and again: each time until nothing is left to sweep. Each batch is short, so commits hardly wait. */
export function keepSwept(store: Pick<Store, 'sweep'>, onError: (error: unknown) => void): Background {
  return recur(
    async () => {
      while ((await store.sweep()) > 0);
    },
    PAUSE_MS,
    onError,
  );
}
