/** Whether a server can answer safely is told, whatever a check does. */
import test from 'ava';
import { createReadiness } from '../../src/http/readiness.ts';
import { heldDeadline } from '../support/start-app.ts';

test('a check that does not end counts as failed once the time is up, and the others are told as they are', async t => {
  const deadline = heldDeadline();
  const begun = Promise.withResolvers<void>();
  const readiness = createReadiness(
    {
      store: {
        check: () => {
          begun.resolve();
          return new Promise(() => undefined);
        },
      },
      process: { check: () => undefined },
      export: { check: () => Promise.reject(new Error('not exported')), isAdvisory: true },
    },
    deadline,
  );
  const asked = readiness();
  await begun.promise;
  t.is(readiness(), asked, 'whoever asks meanwhile gets the same answer');
  deadline.end();
  t.deepEqual(
    [...(await asked)],
    [
      ['store', { state: 'failed', reason: 'does not answer' }],
      ['process', { state: 'ok' }],
      ['export', { state: 'degraded', reason: 'not exported' }],
    ],
  );
});
