import test from 'ava';
import { STORES } from './proof.ts';
import { rotateKeyInOrder, rotateSecret } from './rotation.ts';
import { startPairs } from './start-pairs.ts';

const pairs = startPairs();

for (const kind of STORES) {
  test.serial(`R057: a signing key is rotated under load and nobody notices, on ${kind}`, async t => {
    const report = await rotateKeyInOrder(pairs[kind].deployment, 120);
    t.true(report.requests >= 120);
  });

  test.serial(`a client secret is rotated under load without a failed request, on ${kind}`, async t => {
    const report = await rotateSecret(pairs[kind].deployment, { requests: 120, lateBy: 5 });
    t.is(report.rotations, 4);
  });
}
