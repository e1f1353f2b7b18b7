/** How a process finds out that its clock is wrong, by the one clock that all processes share. */
import test from 'ava';
import { PrimaryClock } from '../../src/store/mongo/primary-clock.ts';

const NOW = Date.UTC(2026, 10, 30);

/** A primary whose clock is apart from ours, and whose answer comes after a while. */
function primary(apartMs: number, tripMs = 0) {
  let [passed, extra] = [0, 0];
  const pass = (ms: number): void => {
    passed += ms;
  };
  const clock = new PrimaryClock(
    () => NOW + passed + extra,
    () => {
      pass(tripMs / 2);
      const told = NOW + passed + apartMs;
      pass(tripMs / 2);
      return Promise.resolve(told);
    },
    () => passed,
  );
  const step = (ms: number): void => {
    extra += ms;
  };
  return { clock, pass, step, told: () => NOW + passed + apartMs };
}

test('five seconds apart are right, and more are not', async t => {
  for (const apart of [0, 5_000, -5_000]) {
    const { clock } = primary(apart);
    await clock.ask();
    t.is(clock.problem(), undefined);
    t.is(clock.commitTime(), NOW);
  }
  const behind = primary(5_001);
  await behind.clock.ask();
  t.is(behind.clock.problem(), 'this process is 6 s behind the clock of the database');
  t.is(behind.clock.commitTime(), behind.told());
  const ahead = primary(-3_600_000);
  await ahead.clock.ask();
  t.is(ahead.clock.problem(), 'this process is 3600 s ahead of the clock of the database');
  t.is(ahead.clock.commitTime(), ahead.told());
});

test('an answer is of the middle of its round trip, and a slow one says less', async t => {
  const slow = primary(0, 60_000);
  await slow.clock.ask();
  t.is(slow.clock.problem(), undefined);
  const apart = primary(34_000, 60_000);
  await apart.clock.ask();
  t.is(apart.clock.problem(), undefined, 'it may be the trip');
  const further = primary(36_000, 60_000);
  await further.clock.ask();
  t.truthy(further.clock.problem(), 'it cannot');
});

test('between two answers the monotonic clock goes on, and a jump of ours is seen at once', async t => {
  const { clock, pass, step, told } = primary(0);
  await clock.ask();
  pass(3_600_000);
  t.is(clock.problem(), undefined);
  step(6_000);
  t.regex(clock.problem() ?? '', /6 s ahead/);
  t.is(clock.commitTime(), told());
});

test('a primary that does not say what time it has accuses nobody', async t => {
  const clock = new PrimaryClock(
    () => NOW,
    () => Promise.resolve(undefined),
  );
  await clock.ask();
  t.is(clock.problem(), undefined);
  t.is(clock.commitTime(), NOW);
});
