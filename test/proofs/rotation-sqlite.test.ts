import test from 'ava';
import { deploy, sharedSqlite } from '../support/deployment.ts';
import { rotateKeyUnderLoad, rotateSecretUnderLoad } from './rotation.ts';

/** The full proof takes 10,000 requests. */
const REQUESTS = Number(process.env['COUNTERSIGN_TEST_ROTATION_REQUESTS'] ?? 2_000);

test.serial('R057: a signing key is rotated under load and nobody notices, on SQLite', async t => {
  t.timeout(240_000);
  const report = await rotateKeyUnderLoad(t, await deploy(t, await sharedSqlite(t)), REQUESTS);
  t.log(JSON.stringify(report));
  t.true(report.requests >= REQUESTS);
  t.is(report.failedRequests, 0);
  t.is(report.repeatedRequests, 0);
  t.is(report.failedVerifications, 0);
  t.is(report.tokensByKey.length, 2);
  t.true(report.publishedBeforeUseMs > 2_000, 'the new key was in the JWKS long before it signed');
});

test.serial(
  'R057: without an overlap the same verifier refuses tokens, so the proof proves something',
  async t => {
    t.timeout(240_000);
    const report = await rotateKeyUnderLoad(t, await deploy(t, await sharedSqlite(t)), 500, 0);
    t.log(JSON.stringify(report));
    t.is(report.failedRequests, 0);
    t.is(report.repeatedRequests, 0);
    t.true(report.failedVerifications > 0);
  },
);

test.serial('a client secret is rotated under load without a failed request, on SQLite', async t => {
  t.timeout(240_000);
  const report = await rotateSecretUnderLoad(t, await deploy(t, await sharedSqlite(t)), REQUESTS);
  t.log(JSON.stringify(report));
  t.true(report.requests >= REQUESTS);
  t.is(report.failedRequests, 0);
  t.is(report.repeatedRequests, 0);
  t.is(report.rotations, 4);
});
