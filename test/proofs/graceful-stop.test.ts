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
      const { acknowledged } = await stopUnderLoad(t, kind, { acknowledged: 50, delaySeconds: 0 });
      t.true(acknowledged >= 50);
    },
  );
}

// Whatever the store: these are decided by the process and its connections.
test.serial(
  'a server that is told to stop takes connections until its delay is over, and says so',
  async t => {
    await t.notThrowsAsync(serveUntilDelayIsOver(t, 'sqlite'));
  },
);

test.serial(
  'a request that is half sent is answered; one that never ends holds a stop up until its deadline and no longer',
  async t => {
    await t.notThrowsAsync(waitForHalfSentRequests(t, 'sqlite'));
  },
);

test.serial('a second signal ends the process at once', async t => {
  await t.notThrowsAsync(stopAtOnce(t, 'sqlite'));
});
