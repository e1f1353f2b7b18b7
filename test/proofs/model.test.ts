import test from 'ava';
import { deploy } from '../support/deployment.ts';
import { playModel } from './model.ts';
import { freshStore, SEED, STORES } from './proof.ts';

for (const kind of STORES) {
  test.serial(`I2, I6, I7: two processes answer random commands as the model does, on ${kind}`, async t => {
    t.log(`seed ${SEED}`);
    const { tokens } = await playModel(await deploy(t, await freshStore(t, kind)), {
      commands: 300,
      seed: SEED,
    });
    t.true(tokens > 0);
  });
}
