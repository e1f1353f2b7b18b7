import test from 'ava';
import { deploy } from '../support/deployment.ts';
import { crashUnderLoad } from './crash.ts';
import { freshStore, SEED, STORES } from './proof.ts';

for (const kind of STORES) {
  test.serial(
    `I10, R149: kills under load lose nothing acknowledged and revive nothing dead, on ${kind}`,
    async t => {
      const shared = await freshStore(t, kind, { crashes: true });
      t.log(`seed ${SEED}`);
      const deployment = await deploy(t, shared);
      const { crashBelow } = shared;
      const report = await crashUnderLoad(deployment, {
        kills: 2,
        seed: SEED,
        callers: 8,
        maxAcknowledged: 150,
        ...(crashBelow && { crashBelow }),
      });
      t.true(report.tokens > 0);
    },
  );
}
