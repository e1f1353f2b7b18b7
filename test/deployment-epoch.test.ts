/** What one number says, whatever clocks have said. */
import test from 'ava';
import {
  acceptedEpoch,
  eraOf,
  isFromBeforeRestore,
  isQuarantineEpoch,
  openEpoch,
  quarantineEpoch,
} from '../src/deployment-epoch.ts';

const NOW = Date.UTC(2026, 10, 30);
const YEAR_MS = 365 * 86_400_000;

test('epochs only rise, whatever the clocks say, and the instant is that of the last clock', t => {
  let epoch = 0;
  const clocks = [NOW, NOW + 10 * YEAR_MS, NOW - YEAR_MS, 0, 253_402_300_799_000, NOW];
  for (const clock of clocks) {
    const closed = quarantineEpoch(epoch, clock);
    t.true(closed > epoch && isQuarantineEpoch(closed));
    t.is(eraOf(closed), eraOf(epoch));
    const opened = openEpoch(closed);
    t.true(opened > closed && !isQuarantineEpoch(opened));
    const accepted = acceptedEpoch(opened, NOW);
    t.true(accepted > opened && !isQuarantineEpoch(accepted));
    t.is(eraOf(accepted), eraOf(opened) + 1);
    t.true(isFromBeforeRestore(accepted, NOW));
    t.false(isFromBeforeRestore(accepted, NOW + 2), 'a clock that was ahead refuses nobody any more');
    epoch = accepted;
  }
});

test('a quarantine goes on when a clock is accepted', t => {
  const closed = quarantineEpoch(0, NOW + YEAR_MS);
  t.true(isQuarantineEpoch(acceptedEpoch(closed, NOW)));
  t.true(isQuarantineEpoch(acceptedEpoch(closed, NOW + 1)));
});

test('no clock is accepted that says what no instant can be, nor once too often', t => {
  for (const clock of [-1, 2 ** 43]) t.throws(() => acceptedEpoch(0, clock), { instanceOf: RangeError });
  let epoch = 0;
  for (let era = 1; era < 1_024; era += 1) epoch = acceptedEpoch(epoch, NOW);
  t.true(Number.isSafeInteger(epoch + 2 ** 42));
  t.throws(() => acceptedEpoch(epoch, NOW), { instanceOf: RangeError });
});
