import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { CommitOutcome, Unit } from '../../src/audit/index.ts';
import { CommitQueue } from '../../src/store/commit-queue.ts';

const UNIT: Unit<never> = { changes: [], events: [] };

/** A queue on a store whose commits end when they are told to. */
function queueOnSlowStore() {
  const sizes: number[] = [];
  const ends: (() => void)[] = [];
  const queue = new CommitQueue<never>(units => {
    sizes.push(units.length);
    const { promise, resolve } = Promise.withResolvers<readonly CommitOutcome[]>();
    ends.push(() => resolve(units.map(() => ({ committed: true }))));
    return promise;
  });
  const commit = (count: number) => Array.from({ length: count }, () => queue.commit(UNIT));
  const endOne = async (): Promise<void> => {
    while (ends.length === 0) await turn();
    ends.shift()?.();
  };
  return { queue, sizes, commit, endOne };
}

test('many at work: the next batch takes those who were answered and come back', async t => {
  const { sizes, commit, endOne } = queueOnSlowStore();
  const first = commit(20);
  while (sizes.length === 0) await turn();
  const second = commit(12);
  await endOne();
  await Promise.all(first);
  const again = commit(20);
  await endOne();
  await Promise.all([...second, ...again]);
  t.deepEqual(sizes, [20, 32]);
});

test('many at work: the next batch begins without those who do not come back', async t => {
  const { sizes, commit, endOne } = queueOnSlowStore();
  const first = commit(20);
  while (sizes.length === 0) await turn();
  const second = commit(2);
  await endOne();
  await endOne();
  await Promise.all([...first, ...second]);
  t.deepEqual(sizes, [20, 2]);
});

test('few at work: nobody is made to wait', async t => {
  const { sizes, commit, endOne } = queueOnSlowStore();
  const first = commit(3);
  while (sizes.length === 0) await turn();
  const second = commit(1);
  await endOne();
  await Promise.all(first);
  t.deepEqual(sizes, [3, 1], 'the second batch has begun in the turn in which the first was answered');
  await endOne();
  await Promise.all(second);
});

test('closing waits for no more: what is there is committed', async t => {
  const { queue, sizes, commit, endOne } = queueOnSlowStore();
  const first = commit(20);
  while (sizes.length === 0) await turn();
  const second = commit(1);
  const closed = queue.close();
  await endOne();
  await endOne();
  await Promise.all([...first, ...second, closed]);
  t.deepEqual(sizes, [20, 1]);
  await t.throwsAsync(queue.commit(UNIT), { message: 'the store is closed' });
});
