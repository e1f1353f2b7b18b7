import test from 'ava';
import { restartAtRandom } from './restarts.ts';

/** A slice: `npm run proof:restarts` does a thousand. */
const ROUNDS = Number(process.env['COUNTERSIGN_TEST_RESTARTS'] ?? 15);

test('I10: starts and stops at random points leave a store that opens, knows what was acknowledged, and is not quarantined', async t => {
  t.timeout(300_000);
  const seed = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);
  const report = await restartAtRandom({ rounds: ROUNDS, seed });
  t.log(JSON.stringify(report));
  t.is(report.rounds, ROUNDS);
});
