import test from 'ava';
import { killBehindProxy } from './failover.ts';
import { freshStore, SEED, STORES } from './proof.ts';

if (STORES.includes('mongo')) {
  test.serial('I10, G8: killing two processes in turn under load loses nothing acknowledged', async t => {
    t.log(`seed ${SEED}`);
    const { tokens } = await killBehindProxy(t, await freshStore(t, 'mongo'), { kills: 2, seed: SEED });
    t.true(tokens > 0);
  });
}
