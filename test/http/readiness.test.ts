/** Whether a server can answer safely is told, whatever a check does. */
import { rename } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import test from 'ava';
import { createReadiness } from '../../src/http/readiness.ts';
import { addAgent, addPerson, addResource, heldDeadline, startApp } from '../support/start-app.ts';

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

test('a wrong secret has its 401 while the database is locked, and its row when it no longer is', async t => {
  const deadline = heldDeadline();
  const begun = Promise.withResolvers<void>();
  let isWatched = false;
  const app = await startApp(t, {
    deadline: ms => {
      if (isWatched) begun.resolve();
      return deadline(ms);
    },
  });
  const agent = await addAgent(app, await addPerson(app), await addResource(app));
  const other = new DatabaseSync(`${app.directory}/countersign.sqlite`);
  t.teardown(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  isWatched = true;
  const asked = app.post('/token', { grant_type: 'client_credentials' }, { basic: [agent.id, 'wrong'] });
  await begun.promise;
  deadline.end();
  t.is((await asked).status, 401);
  const refusals = async () =>
    (await app.trail()).filter(({ type }) => type === 'client.authentication-refused');
  t.deepEqual(await refusals(), []);
  other.exec('ROLLBACK');
  await app.stop();
  const rows = other
    .prepare("SELECT count(*) AS n FROM audit WHERE body LIKE '%client.authentication-refused%'")
    .get();
  t.is(rows?.['n'], 1);
});
