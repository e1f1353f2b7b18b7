/** The codes of Alice's app in the demo. */
import test from 'ava';
import { AuthenticatorApp } from '../../../src/cli/demo/authenticator.ts';
import { describeCode } from '../../../src/cli/demo/turns.ts';
import { codeOf } from '../../support/people.ts';

const SEED = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const STEP_MS = 30_000;
const NOW_STEP = 60_000_000;

/** An app in the middle of a step, with how long it was waited. */
function appAt(
  lastUsedStep: number,
  canPass = false,
): { readonly app: AuthenticatorApp; readonly waited: number[] } {
  const waited: number[] = [];
  let passed = 0;
  const time = {
    now: () => NOW_STEP * STEP_MS + 10_000 + passed,
    wait: async (ms: number) => void waited.push(ms),
    ...(canPass && {
      pass: (ms: number) => {
        passed += ms;
      },
    }),
  };
  return { app: new AuthenticatorApp(SEED, async () => lastUsedStep, time), waited };
}

const codeOfStep = (step: number): string => codeOf(SEED, step * STEP_MS);

test('a code is one that is accepted now: the last one where somebody types it, the first one else', async t => {
  const { app, waited } = appAt(0);
  const typed = await app.codeToType();
  t.is(typed.code, codeOfStep(NOW_STEP + 1));
  t.is(typed.goodFrom, NOW_STEP * STEP_MS);
  t.is(typed.goodUntil, (NOW_STEP + 3) * STEP_MS);
  t.is((await app.codeAtOnce()).code, codeOfStep(NOW_STEP - 1));
  t.deepEqual(waited, []);
});

test('a code whose step was used is never shown, nor an earlier one', async t => {
  t.is((await appAt(NOW_STEP - 1).app.codeAtOnce()).code, codeOfStep(NOW_STEP));
  t.is((await appAt(NOW_STEP).app.codeAtOnce()).code, codeOfStep(NOW_STEP + 1));
  t.is((await appAt(NOW_STEP).app.codeToType()).code, codeOfStep(NOW_STEP + 1));
  t.is((await appAt(NOW_STEP + 1).app.codeToType()).code, codeOfStep(NOW_STEP + 2));
});

test('where all that are accepted now were used, it says when the next one is, and waits until then', async t => {
  const { app, waited } = appAt(NOW_STEP + 1);
  const told: number[] = [];
  const { code } = await app.codeAtOnce(ms => told.push(ms));
  t.is(code, codeOfStep(NOW_STEP + 2));
  t.deepEqual([told, waited], [[20_000], [20_000]]);
  const now = NOW_STEP * STEP_MS;
  const soon = now + 20_000;
  t.regex(
    describeCode({ code, goodFrom: soon, goodUntil: soon + 90_000 }, now),
    /^\d{6} \(in 20 s: the one before it has been used\)$/,
  );
  t.regex(describeCode({ code, goodFrom: 0, goodUntil: soon }, now), /^\d{6} \(good for 20 s\)$/);
});

test('where the clock can be moved nobody waits: it goes on to the next code, and says by how much', async t => {
  const { app, waited } = appAt(NOW_STEP + 1, true);
  const typed = await app.codeToType();
  t.is(typed.code, codeOfStep(NOW_STEP + 2));
  t.is(typed.movedMs, 20_000);
  t.is(app.now(), typed.goodFrom);
  t.is(
    describeCode(typed, app.now()),
    `${typed.code} (good for 90 s; the demo's clock was moved on 20 s to it)`,
  );
  t.is((await app.codeToType()).movedMs, undefined, 'it is good already');
  const atOnce = appAt(NOW_STEP + 1, true);
  t.is((await atOnce.app.codeAtOnce()).code, codeOfStep(NOW_STEP + 2));
  t.is(atOnce.app.now(), (NOW_STEP + 1) * STEP_MS);
  t.deepEqual([...waited, ...atOnce.waited], []);
});

test('the code that was used last can be shown once more: to see it refused', async t => {
  t.is(await appAt(NOW_STEP).app.usedCode(), codeOfStep(NOW_STEP));
});
