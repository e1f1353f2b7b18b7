/** When a delegation is given again, what is out is cut off exactly where it could be more than what is given now. */
import test from 'ava';
import fc from 'fast-check';
import { narrowsDelegation } from '../../src/delegation/give-delegation.ts';
import { delegationRecord } from '../contract/records.ts';

const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);

const anyTerms = fc.record({
  scopes: fc.subarray(['read', 'write', 'send'], { minLength: 1 }),
  expiresAt: fc.integer({ min: 1, max: 6 }),
  mayActNext: fc.subarray<`agt_${string}`>(['agt_2', 'agt_3']),
});

test('I2: of any two terms, tokens under the first live on if and only if the second allows all that they could be', t => {
  t.log(`seed ${SEED}`);
  let [lived, died] = [0, 0];
  fc.assert(
    fc.property(anyTerms, anyTerms, fc.integer({ min: 0, max: 6 }), (before, after, now) => {
      const first = delegationRecord(before);
      const isWithin =
        new Set([...before.scopes, ...after.scopes]).size === after.scopes.length &&
        new Set([...before.mayActNext, ...after.mayActNext]).size === after.mayActNext.length &&
        Math.max(before.expiresAt, after.expiresAt) === after.expiresAt;
      const isOver = Math.max(before.expiresAt, now) === now;
      const dies = narrowsDelegation(first, { ...first, ...after }, now);
      if (dies) died += 1;
      else lived += 1;
      return dies === (isOver || !isWithin);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
  t.true(lived > 0 && died > 0, `${lived} lived, ${died} died`);
});
