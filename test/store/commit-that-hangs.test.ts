/** A disk or a database that stops answering: whoever waits for it is told so, and nothing is done behind their back later. */
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { CommitOutcome, Unit } from '../../src/audit/index.ts';
import { StoreUnavailable } from '../../src/errors.ts';
import { CommitQueue } from '../../src/store/commit-queue.ts';

const SECONDS_OF_PATIENCE = 10;
const LONGER_THAN_ANYBODY_WAITS = (SECONDS_OF_PATIENCE + 1) * 1_000;
const COMMITTED: CommitOutcome = { committed: true };

function unit(type: 'token.issued' | 'token.revoked'): Unit<never> {
  return { changes: [], events: [{ type, outcome: 'done', at: 1, requestId: 'req_1' }] };
}

test.serial(
  'a batch that does not end: those in it and behind it are refused, and what is behind is never committed',
  async t => {
    mock.timers.enable({ apis: ['setInterval'] });
    t.teardown(() => mock.timers.reset());
    const { promise: stopped, resolve: resume } = Promise.withResolvers<void>();
    const applied: string[][] = [];
    const queue = new CommitQueue<never>(async units => {
      applied.push(units.map(({ events }) => events[0]?.type ?? ''));
      if (applied.length === 1) await stopped;
      return units.map(() => COMMITTED);
    });

    const refused = { instanceOf: StoreUnavailable, message: 'a commit does not end' };
    const underWay = t.throwsAsync(queue.commit(unit('token.issued')), refused);
    while (applied.length === 0) await turn();
    const behind = t.throwsAsync(queue.commit(unit('token.revoked')), refused);
    mock.timers.tick(LONGER_THAN_ANYBODY_WAITS);
    await Promise.all([underWay, behind]);
    await t.throwsAsync(queue.commit(unit('token.revoked')), refused, 'nobody else waits for it');
    t.is(queue.figures.waiting, 0);

    resume();
    while (queue.figures.underWaySince !== undefined) await turn();
    t.is(queue.figures.events.get('token.issued'), 1, 'it was committed after all, and is counted');
    t.deepEqual(await queue.commit(unit('token.issued')), COMMITTED);
    t.deepEqual(applied, [['token.issued'], ['token.issued']]);
  },
);

test.serial('a batch that ends in time leaves nobody waiting for a timer', async t => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  const queue = new CommitQueue<never>(async units => units.map(() => COMMITTED));
  t.deepEqual(await queue.commit(unit('token.issued')), COMMITTED);
  mock.timers.tick(LONGER_THAN_ANYBODY_WAITS);
  t.deepEqual(await queue.commit(unit('token.issued')), COMMITTED);
});

test.serial(
  'a process that was asleep has not waited: what was under way may be about to be answered',
  async t => {
    const { promise: stopped, resolve: resume } = Promise.withResolvers<void>();
    const second = mock.method(globalThis, 'setInterval', () => undefined);
    t.teardown(() => second.mock.restore());
    const queue = new CommitQueue<never>(async units => {
      await stopped;
      return units.map(() => COMMITTED);
    });
    const outcome = queue.commit(unit('token.issued'));
    while (second.mock.callCount() === 0) await turn();
    const [tell] = second.mock.calls[0]?.arguments ?? [];
    // However long it slept, of each timer it hears once.
    for (let told = 1; told < SECONDS_OF_PATIENCE; told += 1) tell?.();
    resume();
    t.deepEqual(await outcome, COMMITTED);
  },
);
