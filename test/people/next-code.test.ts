/** When somebody can prove a code, as it is told to them: never later than it is so, and never earlier. */
import test from 'ava';
import { certainMoment } from '../../src/clock.ts';
import { openEpoch, quarantineEpoch } from '../../src/deployment-epoch.ts';
import { findNextCode, type PersonCredential, type PersonSession } from '../../src/people/index.ts';

const STEP_MS = 30_000;
const NOW = 60_000_000 * STEP_MS + 10_000;
const STEP = 60_000_000;

/** What is told of a credential whose last used step is so many after the present one. */
async function told(lastStep: number, { epoch = 0, lockedUntil = 0, moment = certainMoment(NOW) } = {}) {
  const credential = {
    totp: { sealedSeed: '', lastStep: STEP + lastStep, since: 0 },
    attempts: { count: 0, since: 0, lockedUntil, locks: 0 },
  } as unknown as PersonCredential;
  const deps = {
    credentials: { findCredential: async () => credential },
    epochs: { raisedTo: () => epoch },
  };
  return findNextCode(deps, { person: { id: 'usr_1' } } as unknown as PersonSession, moment);
}

test('the next code is that of the present step where it was not used, and else the one after the last that was', async t => {
  t.deepEqual(await told(-5), {});
  t.deepEqual(await told(-1), {});
  t.deepEqual(await told(0), { shownFrom: (STEP + 1) * STEP_MS, shownIn: 20_000 });
  t.deepEqual(await told(1), { shownFrom: (STEP + 2) * STEP_MS, shownIn: 50_000 });
});

test('R150: after a restore it is the first that nobody can have used before it', async t => {
  const restored = openEpoch(quarantineEpoch(0, NOW - 5_000));
  const { shownFrom = 0 } = await told(-5, { epoch: restored });
  // A code is accepted from one step before its own on: that, too, has to be after the restore.
  t.is(shownFrom, (STEP + 2) * STEP_MS);
  t.deepEqual(await told(-5, { epoch: openEpoch(quarantineEpoch(0, NOW - 120_000)) }), {});
});

test('it goes by the clock of phones, and the lock by the server’s own', async t => {
  const ahead = { now: NOW + 15_000, latest: NOW + 15_000, leadMs: 15_000 };
  t.deepEqual(await told(0, { moment: ahead }), { shownFrom: (STEP + 1) * STEP_MS, shownIn: 20_000 });
  t.deepEqual(await told(-1, { lockedUntil: NOW + 1 }), { lockedUntil: NOW + 1 });
  t.deepEqual(await told(-1, { lockedUntil: NOW }), {});
});
