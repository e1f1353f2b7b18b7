import test from 'ava';
import fc from 'fast-check';
import { type ClockChange, isTooFarAhead, ServerClock, wallAt } from '../src/clock.ts';
import { type MovableTime, movableTime } from './support/movable-time.ts';

const START = Date.parse('2026-03-01T12:00:00Z');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A clock on a machine whose clocks are moved, and what it told of itself. */
function clockOn(): { time: MovableTime; clock: ServerClock; changes: ClockChange[] } {
  const time = movableTime(START);
  const changes: ClockChange[] = [];
  return { time, clock: new ServerClock(time, change => changes.push(change)), changes };
}

/** Lets time pass in readings of a second each. */
function passReading(time: MovableTime, clock: ServerClock, ms: number): void {
  for (let left = ms; left > 0; left -= SECOND) {
    time.pass(Math.min(SECOND, left));
    clock.moment();
  }
}

test('without a jump there is one time: that of the wall', t => {
  const { time, clock, changes } = clockOn();
  for (const ms of [0, 1, 20 * SECOND, HOUR, 400 * 24 * HOUR]) {
    time.pass(ms);
    const now = time.wall();
    t.deepEqual(clock.moment(), { now, latest: now, leadMs: 0 });
    t.is(clock.now(), now);
  }
  t.deepEqual(changes, []);
});

test('a wall that shows less than the monotonic clock has counted since is not behind by that: parts of a millisecond are no lead', t => {
  let monotonic = 0;
  const clock = new ServerClock({ wall: () => START + Math.floor(monotonic), monotonic: () => monotonic });
  for (let reading = 0; reading < 1_000; reading += 1) {
    monotonic += 0.3;
    t.is(clock.moment().leadMs, 0);
  }
});

for (const [title, off] of [
  ['an hour ahead', HOUR],
  ['ten years ahead', 87_600 * HOUR],
  ['three seconds ahead', 3 * SECOND],
  ['three seconds behind', -3 * SECOND],
  ['half a minute behind', -30 * SECOND],
  ['an hour behind', -HOUR],
  ['at the epoch', -START],
] as const) {
  test(`one reading ${title} changes nothing after it`, t => {
    for (const idle of [0, 1, SECOND, 5 * SECOND, 10 * MINUTE]) {
      const { time, clock } = clockOn();
      passReading(time, clock, 90 * SECOND);
      const before = clock.now();
      time.pass(idle);
      time.setBy(off);
      const wrong = clock.moment();
      t.true(wrong.now >= before, 'time ran back');
      t.true(wrong.now <= before + idle, `a reading after ${idle} ms was believed`);
      if (off > 0) t.is(wrong.latest, time.wall(), 'what may have ended is not judged as ended');
      t.is(isTooFarAhead(wrong), off < -30 * SECOND && wrong.now - time.wall() > 30 * SECOND);
      time.setBy(-off);
      const now = time.wall();
      t.deepEqual(clock.moment(), { now, latest: now, leadMs: 0 }, `after ${idle} ms without a reading`);
      t.is(clock.state, 'right');
    }
  });
}

test('a slow drift is followed, forward and back, however long it lasts', t => {
  for (const perSecond of [30, 1, -1, -30, -400]) {
    const { time, clock, changes } = clockOn();
    for (let seconds = 0; seconds < 2 * 3_600; seconds += 1) {
      time.pass(SECOND);
      time.setBy(perSecond);
      const { now, latest, leadMs } = clock.moment();
      t.is(latest, now);
      t.true(now >= time.wall() && now - time.wall() < SECOND && leadMs === now - time.wall());
    }
    t.deepEqual(changes, []);
  }
});

test('small steps are followed until they come to 2 s in a minute', t => {
  const { time, clock } = clockOn();
  time.setBy(1_999);
  t.is(clock.now(), time.wall());
  time.setBy(1);
  const { now, latest } = clock.moment();
  t.is(now, time.wall() - 1);
  t.is(latest, time.wall());
  t.is(clock.state, 'jump-in-doubt');
});

test('a machine that slept is believed when readings of 10 s agree, and not before', t => {
  const { time, clock, changes } = clockOn();
  time.setBy(8 * HOUR);
  for (let passed = 0; passed < 10 * SECOND; passed += SECOND) {
    t.deepEqual(clock.moment(), { now: START + passed, latest: time.wall(), leadMs: 0 });
    t.is(wallAt(clock.moment()), time.wall());
    time.pass(SECOND);
  }
  t.deepEqual(clock.moment(), { now: time.wall(), latest: time.wall(), leadMs: 0 });
  t.deepEqual(changes, [
    { from: 'right', to: 'jump-in-doubt', wallAheadMs: 8 * HOUR, isBelieved: false },
    { from: 'jump-in-doubt', to: 'right', wallAheadMs: 8 * HOUR, isBelieved: true },
  ]);
});

test('a jump that is believed is the ground on which the next one is doubted', t => {
  const { time, clock } = clockOn();
  time.setBy(HOUR);
  passReading(time, clock, 11 * SECOND);
  t.is(clock.now(), time.wall());
  time.setBy(3 * SECOND);
  t.is(clock.now(), time.wall() - 3 * SECOND);
});

test('what changes while it is doubted is doubted anew', t => {
  for (const change of [2 * SECOND, HOUR, -20 * MINUTE]) {
    const { time, clock } = clockOn();
    time.setBy(HOUR);
    passReading(time, clock, 10 * SECOND);
    // The first reading came a second after the jump.
    t.is(clock.state, 'jump-in-doubt');
    time.setBy(change);
    time.pass(SECOND);
    t.is(clock.now(), START + 11 * SECOND);
    passReading(time, clock, 9 * SECOND);
    t.is(clock.now(), START + 20 * SECOND);
    passReading(time, clock, SECOND);
    t.is(clock.now(), time.wall());
  }
});

test('one right reading among wrong ones ends the doubt, and it begins anew', t => {
  const { time, clock } = clockOn();
  time.setBy(HOUR);
  passReading(time, clock, 9 * SECOND);
  time.setBy(-HOUR);
  t.is(clock.now(), time.wall());
  time.setBy(HOUR);
  passReading(time, clock, 10 * SECOND);
  t.is(clock.now(), START + 19 * SECOND);
  passReading(time, clock, SECOND);
  t.is(clock.now(), time.wall());
});

test('two wrong readings of an idle process are not taken for all that lies between them', t => {
  const { time, clock } = clockOn();
  time.setBy(HOUR);
  clock.moment();
  // Meanwhile the wall may have been right; nobody looked.
  time.pass(61 * SECOND);
  t.is(clock.now(), START + 61 * SECOND);
  time.pass(9 * SECOND);
  t.is(clock.now(), START + 70 * SECOND);
  time.pass(SECOND);
  t.is(clock.now(), time.wall());
});

test('after a jump back of 30 s or less it runs at half speed until the wall has caught up', t => {
  for (const back of [3 * SECOND, 30 * SECOND]) {
    const { time, clock, changes } = clockOn();
    clock.moment();
    time.setBy(-back);
    for (let passed = 0; passed <= 2 * back; passed += SECOND) {
      const now = START + passed / 2;
      t.deepEqual(clock.moment(), { now, latest: now, leadMs: now - time.wall() });
      t.false(isTooFarAhead(clock.moment()));
      t.is(wallAt(clock.moment()), time.wall());
      time.pass(SECOND);
    }
    t.is(clock.now(), time.wall());
    t.deepEqual(
      changes.map(({ from, to }) => `${from} ${to}`),
      ['right catching-up', 'catching-up right'],
    );
  }
});

test('after a jump back of more it runs on, too far ahead, until the wall comes within 30 s', t => {
  const { time, clock, changes } = clockOn();
  time.setBy(-HOUR);
  for (const passed of [0, SECOND, MINUTE, HOUR]) {
    time.pass(passed);
    const { now, latest, leadMs } = clock.moment();
    t.is(leadMs, HOUR);
    t.is(now, time.wall() + HOUR);
    t.is(latest, now);
    t.true(isTooFarAhead({ leadMs }));
  }
  const before = clock.now();
  time.setBy(HOUR - 31 * SECOND);
  t.true(isTooFarAhead(clock.moment()));
  time.setBy(SECOND);
  t.false(isTooFarAhead(clock.moment()));
  t.is(clock.now(), before);
  passReading(time, clock, MINUTE);
  t.deepEqual(clock.moment(), { now: time.wall(), latest: time.wall(), leadMs: 0 });
  t.deepEqual(
    changes.map(({ from, to }) => `${from} ${to}`),
    ['right too-far-ahead', 'too-far-ahead catching-up', 'catching-up right'],
  );
});

test('a wall that is put right again is followed at once: the monotonic clock has it so', t => {
  const { time, clock } = clockOn();
  passReading(time, clock, 90 * SECOND);
  time.setBy(-HOUR);
  passReading(time, clock, 2 * HOUR);
  time.setBy(HOUR);
  t.deepEqual(clock.moment(), { now: time.wall(), latest: time.wall(), leadMs: 0 });
});

test('raiseTo is never undone, and what is raised is ahead of the wall like after a jump back', t => {
  const { time, clock } = clockOn();
  clock.raiseTo(START - HOUR);
  t.is(clock.now(), START);
  clock.raiseTo(START + 20 * SECOND);
  t.deepEqual(clock.moment(), { now: START + 20 * SECOND, latest: START + 20 * SECOND, leadMs: 20 * SECOND });
  time.pass(40 * SECOND);
  t.is(clock.now(), time.wall());
  clock.raiseTo(time.wall() + HOUR);
  t.true(isTooFarAhead(clock.moment()));
});

test('acceptWall goes back to the wall, and forward without doubt', t => {
  const { time, clock } = clockOn();
  for (const ms of [-HOUR, HOUR]) {
    time.setBy(ms);
    clock.moment();
    clock.acceptWall();
    t.deepEqual(clock.moment(), { now: time.wall(), latest: time.wall(), leadMs: 0 });
    t.is(clock.state, 'right');
  }
});

/** What a machine does to its clocks. Each step is followed by a reading. */
const steps = fc.array(
  fc.record({
    passes: fc.oneof(
      fc.constant(0),
      fc.nat(2_000),
      fc.nat(15 * SECOND),
      fc.nat(2 * HOUR),
      fc.double({ min: 0, max: 5, noNaN: true }),
    ),
    jumps: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: -2_500, max: 2_500 }) },
      { weight: 1, arbitrary: fc.integer({ min: -40 * SECOND, max: 40 * SECOND }) },
      { weight: 1, arbitrary: fc.integer({ min: -10 * HOUR, max: 10 * HOUR }) },
    ),
  }),
  { maxLength: 40 },
);

/** Random tests print what they came from, so that they can be run again. */
const seed = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Math.trunc(Math.random() * 2 ** 31));
const runs = { seed, numRuns: 500 };

test('however the wall jumps, time neither runs back nor stands still, and no end comes before it', t => {
  t.log(`seed ${seed}`);
  fc.assert(
    fc.property(steps, all => {
      const { time, clock } = clockOn();
      let before = clock.moment().now;
      for (const { passes, jumps } of all) {
        time.pass(passes);
        time.setBy(jumps);
        const { now, latest, leadMs } = clock.moment();
        // Half of what has passed at least; whole milliseconds are shown.
        if (now < before + Math.floor(passes / 2) - 1 || now < before) {
          throw new Error(`${passes} ms were ${now - before} ms`);
        }
        if (latest < now) throw new Error('the latest is earlier than the present');
        if (leadMs < 0 || (leadMs > 0 && latest > now)) throw new Error('ahead and in doubt at once');
        const shown = Math.abs(wallAt({ now, latest, leadMs }) - time.wall());
        if (shown > 1) throw new Error(`the wall is ${shown} ms off`);
        before = now;
      }
    }),
    runs,
  );
  t.pass();
});

test('no reading takes time further than the monotonic clock does, and 2 s, but where readings of 10 s agree', t => {
  t.log(`seed ${seed}`);
  fc.assert(
    fc.property(steps, all => {
      const { time, clock, changes } = clockOn();
      // What the monotonic clock makes of the start, and of each jump that was believed.
      let line = { time: clock.now(), at: time.monotonic() };
      for (const { passes, jumps } of all) {
        time.pass(passes);
        time.setBy(jumps);
        changes.length = 0;
        const now = clock.now();
        const at = time.monotonic();
        if (changes.some(({ isBelieved }) => isBelieved)) line = { time: now, at };
        const ahead = now - (line.time + at - line.at);
        // Each minute may bring 2 s.
        const minutes = 1 + Math.floor((at - line.at) / MINUTE);
        if (ahead > 2_000 * minutes) throw new Error(`${ahead} ms too far in ${minutes} minutes`);
      }
    }),
    runs,
  );
  t.pass();
});

test('one wrong reading between right ones is gone with the next, whatever was before', t => {
  t.log(`seed ${seed}`);
  const wrong = fc.oneof(
    fc.integer({ min: 2_001, max: 100 * HOUR }),
    fc.integer({ min: -100 * HOUR, max: -1 }),
  );
  const quiet = fc.array(fc.nat(20 * SECOND), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(quiet, wrong, fc.nat(HOUR), (pauses, off, idle) => {
      const { time, clock } = clockOn();
      for (const ms of pauses) {
        time.pass(ms);
        clock.moment();
      }
      time.pass(idle);
      time.setBy(off);
      const during = clock.moment();
      time.setBy(-off);
      const { now, latest, leadMs } = clock.moment();
      if (during.now > time.wall()) throw new Error('the reading was believed');
      if (now !== time.wall() || latest !== now || leadMs !== 0) throw new Error('something stays');
    }),
    runs,
  );
  t.pass();
});

test('whatever the wall has done, ten quiet seconds and a lead that is caught up later it is followed', t => {
  t.log(`seed ${seed}`);
  fc.assert(
    fc.property(steps, all => {
      const { time, clock } = clockOn();
      for (const { passes, jumps } of all) {
        time.pass(passes);
        time.setBy(jumps);
        clock.moment();
      }
      passReading(time, clock, 11 * SECOND);
      const { now, leadMs } = clock.moment();
      if (isTooFarAhead({ leadMs })) {
        // Until somebody sets it.
        time.setBy(leadMs);
      }
      passReading(time, clock, 62 * SECOND);
      const after = clock.moment();
      if (after.now < now) throw new Error('time ran back');
      if (Math.abs(after.now - time.wall()) > 1 || clock.state !== 'right')
        throw new Error(`it stays ${after.now - time.wall()} ms off, ${clock.state}`);
    }),
    runs,
  );
  t.pass();
});
