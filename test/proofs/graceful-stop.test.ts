import test from 'ava';
import {
  serveUntilDelayIsOver,
  stopAtOnce,
  stopUnderLoad,
  waitForHalfSentRequests,
} from './graceful-stop.ts';
import { STORES } from './proof.ts';

for (const kind of STORES) {
  test.serial(
    `I10: a stop under load leaves no request unanswered and loses nothing acknowledged, on ${kind}`,
    async t => {
      const { acknowledged } = await stopUnderLoad(t, kind, 50);
      t.true(acknowledged >= 50);
    },
  );

  test.serial(
    `a server that is told to stop takes connections until its delay is over, and says so, on ${kind}`,
    async t => {
      await t.notThrowsAsync(serveUntilDelayIsOver(t, kind));
    },
  );

  test.serial(
    `a request that is half sent is answered; one that never ends holds a stop up until its deadline and no longer, on ${kind}`,
    async t => {
      await t.notThrowsAsync(waitForHalfSentRequests(t, kind));
    },
  );

  test.serial(`a second signal ends the process at once, on ${kind}`, async t => {
    await t.notThrowsAsync(stopAtOnce(t, kind));
  });
}
