import test from 'ava';
import { deploy, sharedMongo } from '../support/deployment.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import { crashUnderLoad } from './crash.ts';

const KILLS = Number(process.env['COUNTERSIGN_TEST_KILLS'] ?? 20);

const server = await startMongoServer();
test.after.always(() => server?.stop());
const run = server?.isOurs ? test.serial : test.serial.skip;

run(
  'I10, R149: 20 kills of server and database under load lose nothing acknowledged, on MongoDB',
  async t => {
    if (!server) return;
    t.timeout(300_000);
    const deployment = await deploy(t, await sharedMongo(t, server));
    const report = await crashUnderLoad(t, deployment, {
      kills: KILLS,
      maxRoundMs: 1_500,
      maxBootMs: 10_000,
      callers: 8,
      seed: Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000),
      crashBelow: async () => {
        await server.kill();
        await server.restart();
      },
    });
    t.log(JSON.stringify({ server: server.name, ...report }));
    t.true(
      report.tokens > KILLS * 5 && report.revocations > KILLS && report.kills > KILLS / 4,
      'there was load',
    );
  },
);
