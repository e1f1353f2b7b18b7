import test from 'ava';
import { deploy, sharedMongo } from '../support/deployment.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import { measureKills, wakeAfterKill } from './two-processes.ts';

const server = await startMongoServer();
test.after.always(() => server?.stop());
const run = server ? test.serial : test.serial.skip;

run('I7: 200 kills under load are seen by another process within 100 ms, on MongoDB', async t => {
  if (!server) return;
  t.timeout(240_000);
  const report = await measureKills(t, await deploy(t, await sharedMongo(t, server)), 200);
  t.log(JSON.stringify({ server: server.name, ...report }));
  t.true(report.p99Ms < 100);
  t.true(report.load > 200, 'there was load');
});

run('I7: a process that slept through a kill says nothing old when it wakes, on MongoDB', async t => {
  if (!server) return;
  await wakeAfterKill(t, await deploy(t, await sharedMongo(t, server)), 1_500);
});
