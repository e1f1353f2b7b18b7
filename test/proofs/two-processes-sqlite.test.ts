import test from 'ava';
import { SignJWT } from 'jose';
import { deploy, populate, sharedSqlite } from '../support/deployment.ts';
import { type App, addKeyAgent, addPerson } from '../support/start-app.ts';
import { measureKills, raceAssertions, wakeAfterKill } from './two-processes.ts';

test.serial('I7: 200 kills under load are seen by another process within 100 ms, on SQLite', async t => {
  t.timeout(120_000);
  const report = await measureKills(t, await deploy(t, await sharedSqlite(t)), 200);
  t.log(JSON.stringify(report));
  t.true(report.p99Ms < 100);
  t.true(report.load > 1_000, 'there was load');
});

test.serial('I7: a process that slept through a kill says nothing old when it wakes, on SQLite', async t => {
  await wakeAfterKill(t, await deploy(t, await sharedSqlite(t)), 1_500);
});

test.serial('I1: one assertion presented 50 times to two processes gives one token, on SQLite', async t => {
  t.timeout(120_000);
  const deployment = await deploy(t, await sharedSqlite(t));
  // The administrator's API and the issuer's name come with the first process.
  await (await deployment.start()).end('SIGTERM');
  const world = await populate(deployment, 1);
  const assertions = await deployment.withStore(async app => {
    const agent = await addKeyAgent(app as App, await addPerson(app as App), world.resource);
    const now = Math.floor(Date.now() / 1000);
    return Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        new SignJWT({
          iss: agent.id,
          sub: agent.id,
          aud: deployment.issuer,
          jti: `race-${index}`,
          iat: now,
          exp: now + 240,
        })
          .setProtectedHeader({ alg: 'ES256' })
          .sign(agent.privateKey),
      ),
    );
  });
  const wins = await raceAssertions(deployment, world, assertions, 50);
  t.deepEqual(
    wins,
    wins.map(() => 1),
  );
});
