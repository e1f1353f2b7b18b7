/** Whether a server can answer safely is told, whatever a check does. */
import { rename } from 'node:fs/promises';
import test from 'ava';
import { createReadiness } from '../../src/http/readiness.ts';
import { addPerson, heldDeadline, startApp } from '../support/start-app.ts';

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

test('I10: while nothing can be written /readyz says so, also where nobody has tried to, and that it can be again', async t => {
  const app = await startApp(t);
  const file = `${app.directory}/countersign.sqlite`;
  const ready = async () => {
    const answer = await fetch(`${app.base}/readyz`);
    const { checks } = (await answer.json()) as { checks: Record<string, unknown> };
    return { status: answer.status, commits: checks['commits'] };
  };
  t.is((await ready()).status, 200);
  // What is written now would be in a file that has no name: gone with the process, though it was acknowledged.
  await rename(file, `${file}.away`);
  await t.throwsAsync(addPerson(app));
  t.like(await ready(), { status: 503, commits: 'the last commit failed' });
  await rename(`${file}.away`, file);
  t.is((await ready()).status, 200, 'a commit of its own finds out, where nobody sends one');
  await addPerson(app);
  t.is((await ready()).status, 200);
  await rename(file, `${file}.away`);
  await t.throwsAsync(app.store.sweep());
  t.like(await ready(), { status: 503, commits: 'the last commit failed' });
  await rename(`${file}.away`, file);
  t.is((await ready()).status, 200);
});
