/** `npm run bench -- --against DIR`: this checkout and another, in turn, in one run. */
import { join } from 'node:path';
import { type AgainstRow, compareRounds, type SideName, type Skipped } from './against-report.ts';
import type { Task } from './arguments.ts';
import { type Checkout, describeCheckout, openCheckout } from './checkout.ts';
import { MAIN, startCountersign } from './countersign.ts';
import { CannotDo, type Measurement, type MeasureOptions, measure, type Starts } from './measure.ts';
import type { MongoStore } from './mongo-store.ts';

/** This checkout: what runs is compiled into `dist/bench` of it. */
const OWN = join(import.meta.dirname, '../..');

export type Sides = Readonly<Record<SideName, Checkout>>;

/** @throws {TypeError} when the other checkout cannot be compared with */
export async function openSides(against: string): Promise<Sides> {
  const here = { directory: OWN, version: await describeCheckout(OWN), main: MAIN };
  return { here, there: await openCheckout(against, OWN) };
}

/**
 * Measures each work on both, and leaves out what the other one does not know.
 *
 * @throws when anything else goes wrong
 */
export async function* compareCheckouts(
  sides: Sides,
  tasks: readonly Task[],
  options: Omit<MeasureOptions, 'connections'>,
  store?: MongoStore,
): AsyncGenerator<AgainstRow | Skipped> {
  const starts: Starts<SideName> = {
    here: started => startCountersign(sides.here.main, { ...started, store }),
    there: started => startCountersign(sides.there.main, { ...started, store }),
  };
  for (const { work, connections } of tasks) {
    options.onProgress(`${work.name}: ${work.title}`);
    await store?.renew();
    let measured: Measurement<SideName>;
    try {
      measured = await measure(work, starts, { ...options, connections });
    } catch (error) {
      if (!(error instanceof CannotDo) || error.server !== 'there') throw error;
      options.onProgress(`  skipped: there it cannot be done (${error.reason})`);
      yield { work: work.name, side: 'there', reason: error.reason };
      continue;
    }
    for (const rounds of measured.rounds) yield compareRounds(work, rounds);
  }
}
