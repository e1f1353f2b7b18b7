import test from 'ava';
import { deploy } from '../support/deployment.ts';
import { freshStore, STORES } from './proof.ts';
import { BEHIND_PROXY, killUnderLoad, raceAssertions, wakeAfterKill } from './two-processes.ts';

for (const kind of STORES) {
  test.serial(`I7: a kill under load is known to another process's next answer, on ${kind}`, async t => {
    const shared = await freshStore(t, kind);
    const { refusedAfterMs } = await killUnderLoad(await deploy(t, shared), 8);
    t.is(refusedAfterMs.length, 8);
  });

  test.serial(
    `I7: a process that slept through a kill says nothing old when it wakes, on ${kind}`,
    async t => {
      const shared = await freshStore(t, kind);
      await t.notThrowsAsync(wakeAfterKill(await deploy(t, shared), 0));
    },
  );

  test.serial(
    `I1: one assertion presented many times to two processes gets one token, on ${kind}`,
    async t => {
      const shared = await freshStore(t, kind);
      const { tokens } = await raceAssertions(await deploy(t, shared, BEHIND_PROXY), { races: 4, width: 24 });
      t.true(tokens <= 4);
    },
  );
}
