import test from 'ava';
import { deploy, sharedMongo } from '../support/deployment.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import { rotateKeyUnderLoad, rotateSecretUnderLoad } from './rotation.ts';

const REQUESTS = Number(process.env['COUNTERSIGN_TEST_ROTATION_REQUESTS'] ?? 500);
const server = await startMongoServer();
test.after.always(() => server?.stop());
const run = server ? test.serial : test.serial.skip;

run('R057: a signing key is rotated under load and nobody notices, on MongoDB', async t => {
  if (!server) return;
  t.timeout(240_000);
  const report = await rotateKeyUnderLoad(t, await deploy(t, await sharedMongo(t, server)), REQUESTS);
  t.log(JSON.stringify({ server: server.name, ...report }));
  t.is(report.failedRequests, 0);
  t.is(report.failedVerifications, 0);
  t.is(report.tokensByKey.length, 2);
  t.true(report.publishedBeforeUseMs > 2_000, 'the new key was in the JWKS long before it signed');
});

run('a client secret is rotated under load without a failed request, on MongoDB', async t => {
  if (!server) return;
  t.timeout(240_000);
  const report = await rotateSecretUnderLoad(t, await deploy(t, await sharedMongo(t, server)), REQUESTS);
  t.log(JSON.stringify({ server: server.name, ...report }));
  t.is(report.failedRequests, 0);
  t.is(report.rotations, 4);
});
