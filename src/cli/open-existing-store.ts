import { resolve } from 'node:path';
import type { StoreLocation } from '../config/index.ts';
import { onceItCanTell } from '../first-start/once-it-can-tell.ts';
import { newId } from '../ids.ts';
import { inspectStore, type StoreInspection } from '../store/inspect-store.ts';
import { openStore } from '../store/open-store.ts';
import { openTrail, type TrailReader } from '../store/open-trail.ts';
import type { Store } from '../store/store.ts';
import { EXIT, Failure } from './failure.ts';

/**
 * Looks into the store that servers use, without opening it: nothing is changed, and nothing is in its trail.
 *
 * @throws {Failure} where there is none yet
 */
export async function inspectExistingStore(location: StoreLocation): Promise<StoreInspection> {
  const inspection = await inspectStore(location);
  if (!inspection || inspection.schemaVersion === 0) throw noStore(location);
  return inspection;
}

/**
 * Opens the trail of the store that servers use, to read it: nothing is changed, made or in the trail.
 *
 * @throws {Failure} where there is none yet
 */
export async function openExistingTrail(location: StoreLocation): Promise<TrailReader> {
  const trail = await openTrail(location);
  if (!trail) throw noStore(location);
  return trail;
}

/**
 * Opens the store that servers use. That it was opened is in its trail, but where it is only read.
 *
 * @throws {Failure} where there is none yet: made anew, it would look like one with nothing wrong in it
 */
export async function openExistingStore(
  location: StoreLocation,
  { readsOnly = false }: { readonly readsOnly?: boolean } = {},
): Promise<Store> {
  await inspectExistingStore(location);
  const store = await openStore(location, { now: Date.now, lane: newId('lane', Date.now()), readsOnly });
  const fresh = store.fresh.bind(store);
  let told = '';
  const tell = ({ message }: Error): void => {
    if (message !== told) process.stderr.write(`waiting: ${message}\n`);
    told = message;
  };
  // Nobody waits for an answer of a server here: whoever stands at a terminal would rather wait than try again.
  return Object.assign(store, { fresh: () => onceItCanTell(tell, fresh) });
}

function noStore(location: StoreLocation): Failure {
  return new Failure(EXIT.usage, 'There is no store where the settings say: the first start makes it.', {
    where: location.kind === 'sqlite' ? resolve(location.path) : 'the MongoDB database of COUNTERSIGN_STORE',
    mend: 'run this where the server runs, or name its settings (--config)',
  });
}
