import test from 'ava';
import { SEED } from './proof.ts';
import { restartAtRandom } from './restarts.ts';

test('I10: starts and stops at random points leave a store that opens, knows what was acknowledged, and is not quarantined', async t => {
  t.log(`seed ${SEED}`);
  const { firstBootsMs, bootsMs } = await restartAtRandom(t, { rounds: 6, seed: SEED });
  // The last round at least waits until the server is ready.
  t.true(firstBootsMs.length + bootsMs.length > 0);
});
