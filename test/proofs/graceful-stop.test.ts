import test, { type ExecutionContext } from 'ava';
import {
  type Deployment,
  deploy,
  type SharedStore,
  sharedMongo,
  sharedSqlite,
} from '../support/deployment.ts';
import { startMongoServer } from '../support/mongo-server.ts';
import { cutOffEndlessRequest, finishSlowRequest, stopAtOnce, stopUnderLoad } from './graceful-stop.ts';

const server = await startMongoServer();
test.after.always(() => server?.stop());

const STORES: Readonly<Record<string, (t: ExecutionContext) => Promise<SharedStore>>> = {
  SQLite: sharedSqlite,
  ...(server && { MongoDB: (t: ExecutionContext) => sharedMongo(t, server) }),
};

for (const [name, share] of Object.entries(STORES)) {
  const deployWith = async (t: ExecutionContext, env: Record<string, string>): Promise<Deployment> => {
    t.timeout(120_000);
    const shared = await share(t);
    return deploy(t, { ...shared, env: { ...shared.env, ...env } });
  };

  test.serial(
    `I10: a stop under load leaves no request unanswered and loses nothing acknowledged, on ${name}`,
    async t => {
      const report = await stopUnderLoad(t, await deployWith(t, { COUNTERSIGN_STOP_DELAY_SECONDS: '1' }));
      t.log(JSON.stringify(report));
      t.true(report.stopMs < 11_000);
    },
  );

  test.serial(
    `a request that is half sent when the server is told to stop is answered, on ${name}`,
    async t => {
      await finishSlowRequest(t, await deployWith(t, {}));
    },
  );

  test.serial(
    `a request that never ends holds a stop up until its deadline and no longer, on ${name}`,
    async t => {
      const stopMs = await cutOffEndlessRequest(
        t,
        await deployWith(t, { COUNTERSIGN_SHUTDOWN_SECONDS: '1' }),
      );
      t.true(stopMs >= 900 && stopMs < 5_000, `${stopMs} ms`);
    },
  );

  test.serial(`a second signal ends the process at once, on ${name}`, async t => {
    await stopAtOnce(t, await deployWith(t, {}));
  });
}
