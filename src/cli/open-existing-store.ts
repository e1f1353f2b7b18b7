import type { StoreLocation } from '../config/index.ts';
import { onceItCanTell } from '../first-start/once-it-can-tell.ts';
import { newId } from '../ids.ts';
import { inspectStore, type StoreInspection } from '../store/inspect-store.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import { EXIT, Failure } from './failure.ts';

/**
 * Looks into the store that servers use, without opening it: nothing is changed, and nothing is in its trail.
 *
 * @throws {Failure} where there is none yet
 */
export async function inspectExistingStore(location: StoreLocation): Promise<StoreInspection> {
  const inspection = await inspectStore(location);
  if (!inspection)
    throw new Failure(EXIT.usage, 'There is no store where the settings say: the first start makes it.', {
      mend: 'run this where the server runs, or name its settings (--config)',
    });
  return inspection;
}

/**
 * Opens the store that servers use. That it was opened is in its trail: who reads it leaves a trace.
 *
 * @throws {Failure} where there is none yet: made anew, it would look like one with nothing wrong in it
 */
export async function openExistingStore(location: StoreLocation): Promise<Store> {
  await inspectExistingStore(location);
  const store = await openStore(location, { now: Date.now, lane: newId('lane', Date.now()) });
  const fresh = store.fresh.bind(store);
  let told = '';
  const tell = ({ message }: Error): void => {
    if (message !== told) process.stderr.write(`waiting: ${message}\n`);
    told = message;
  };
  // Nobody waits for an answer of a server here: whoever stands at a terminal would rather wait than try again.
  return Object.assign(store, { fresh: () => onceItCanTell(tell, fresh) });
}
