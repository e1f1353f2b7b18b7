import test from 'ava';
import { deploy } from '../support/deployment.ts';
import { freshStore, STORES } from './proof.ts';
import { rotateKeyInOrder, rotateSecret } from './rotation.ts';

for (const kind of STORES) {
  test.serial(`R057: a signing key is rotated under load and nobody notices, on ${kind}`, async t => {
    const report = await rotateKeyInOrder(await deploy(t, await freshStore(t, kind)), 200);
    t.true(report.requests >= 200);
  });

  test.serial(`a client secret is rotated under load without a failed request, on ${kind}`, async t => {
    const report = await rotateSecret(await deploy(t, await freshStore(t, kind)), {
      requests: 200,
      lateBy: 5,
    });
    t.is(report.rotations, 4);
  });
}
