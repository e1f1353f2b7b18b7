import test from 'ava';
import { deploy, sharedSqlite } from '../support/deployment.ts';
import { crashUnderLoad } from './crash.ts';

const KILLS = Number(process.env['COUNTERSIGN_TEST_KILLS'] ?? 50);

test('I10, R149: 50 kills without warning under load lose nothing acknowledged and revive nothing dead, on SQLite', async t => {
  t.timeout(300_000);
  const deployment = await deploy(t, await sharedSqlite(t));
  const report = await crashUnderLoad(t, deployment, {
    kills: KILLS,
    maxRoundMs: 900,
    maxBootMs: 5_000,
    callers: 16,
    seed: Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000),
  });
  t.log(JSON.stringify(report));
  t.true(
    report.tokens > KILLS * 20 && report.revocations > KILLS * 5 && report.kills > KILLS / 4,
    'there was load',
  );
});
