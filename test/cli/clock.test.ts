/** The way on, for whoever runs the host, after a clock that was ahead: nothing lives again by it. */

import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DEPLOYMENT, eraOf } from '../../src/deployment-epoch.ts';
import { type MovableTime, movableTime } from '../support/movable-time.ts';
import {
  type App,
  type AppOptions,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  getToken,
  introspect,
  presenting,
  signAssertion,
  startApp,
  startAppIn,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv } from '../support/stores.ts';
import { makeFolder, type Ran } from './run-cli.ts';

const HOUR_MS = 3_600_000;

interface Host {
  readonly app: App;
  readonly time: MovableTime;
  /** Runs a verb of `countersign clock` by the real clock of the machine that the tests run on. */
  clock(...args: readonly string[]): Promise<Ran>;
  /** Starts one more process on the same store. */
  start(options: AppOptions): Promise<App>;
}

/** A server whose clock can be set, and the command line on its machine. */
async function makeHost(t: ExecutionContext, store: StoreEnv): Promise<Host> {
  const time = movableTime();
  const app = await startApp(t, { env: store, time });
  const folder = await makeFolder(t);
  const env = {
    COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: app.directory,
    ...store,
  };
  return {
    app,
    time,
    clock: (...args) => folder.cliHere(['clock', ...args], { env }),
    start: async options => {
      const started = await startAppIn(app.directory, { env: store, ...options });
      t.teardown(() => started.stop());
      return started;
    },
  };
}

const askFor = (app: App, { basic }: TestAgent, resource: TestResource) =>
  app.post('/token', { grant_type: 'client_credentials', resource: resource.identifier }, { basic });

onEachStore(
  'after a clock that was ahead the server goes by it again, and nothing revives',
  async (t, store) => {
    const { app, time, clock, start } = await makeHost(t, store);
    const owner = await addPerson(app);
    const resource = await addResource(app);
    const agent = await addAgent(app, owner, resource);
    const keyAgent = await addKeyAgent(app, owner, resource);
    const until = (ms: number) => ({ expiresAt: new Date(Date.now() + ms).toISOString() });
    const ended = await addAgent(app, owner, resource, until(HOUR_MS));
    const ending = await addAgent(app, owner, resource, until(1_000 * HOUR_MS));
    const before = await getToken(app, agent, resource);
    time.pass(10 * HOUR_MS);
    const alive = await getToken(app, agent, resource);
    t.false((await introspect(app, resource, before)).json.active);
    t.true((await introspect(app, resource, alive)).json.active);
    t.is((await askFor(app, ended, resource)).status, 401);

    // Somebody notices, and sets the clock right.
    time.wallAt(Date.now());
    const status = await clock('status', '-o', 'json');
    t.is(status.code, 1, status.stderr);
    t.false(status.json.serverStarts);
    t.true(status.json.behindMs > 9 * HOUR_MS);
    const unsaid = await clock('accept');
    t.is(unsaid.code, 1);
    t.regex(unsaid.stderr, /every token dies.*say --yes/s);
    t.true((await introspect(app, resource, alive)).json.active, 'nothing was done');
    const unused = await signAssertion(app, keyAgent);
    const accepted = await clock('accept', '--yes');
    t.is(accepted.code, 0, accepted.stderr);
    t.true(accepted.stdout.includes(ended.id));
    t.false(accepted.stdout.includes(ending.id));

    const assertDead = async (server: App) => {
      t.false((await introspect(server, resource, before)).json.active, 'it had ended');
      t.false((await introspect(server, resource, alive)).json.active, 'it was alive');
      t.is((await askFor(server, ended, resource)).status, 401, 'its end had come');
    };
    await assertDead(app);
    const present = (assertion: string) =>
      app.post('/token', {
        grant_type: 'client_credentials',
        resource: resource.identifier,
        ...presenting(assertion),
      });
    t.is((await present(unused)).status, 401, 'it may have been used');
    t.true(
      Math.abs(
        Date.now() - (await introspect(app, resource, await getToken(app, agent, resource))).json.iat * 1_000,
      ) < HOUR_MS,
    );
    time.pass(40_000);
    const fresh = await present(await signAssertion(app, keyAgent));
    t.is(fresh.status, 200, fresh.text);
    t.is((await askFor(app, ending, resource)).status, 200);
    const rows = (await app.trail()).filter(event => event.type === 'deployment.clock-accepted');
    t.like(rows[0]?.detail, { agentsSuspended: 1 });

    await app.stop();
    const next = await start({ time: movableTime(time.wall()) });
    await assertDead(next);
    t.is((await askFor(next, agent, resource)).status, 200);
  },
);

onEachStore('what a server writes by the time before counts no longer', async (t, store) => {
  const { app, time, clock, start } = await makeHost(t, store);
  time.pass(10 * HOUR_MS);
  await addPerson(app);
  time.wallAt(Date.now());
  t.is((await clock('status')).code, 1);
  t.is((await clock('accept', '--yes')).code, 0);
  // It commits something before it has heard: on SQLite a commit alone does not make it hear.
  await app.store.commit({
    changes: [],
    events: [{ type: 'token.revocation-refused', outcome: 'refused', at: app.now(), requestId: 'req_1' }],
  });
  t.is((await clock('status')).code, 0);
  await app.stop();
  const next = await start({ time: movableTime() });
  t.is(eraOf(next.store.epochs.raisedTo(DEPLOYMENT)), 1);
  const { json } = await clock('status', '-o', 'json');
  t.true(Math.abs(Date.now() - Date.parse(json.lastCommitted)) < HOUR_MS, 'what is written since does count');
});

test('a clock that is right can be accepted too, and a quarantine goes on', async t => {
  const { app, clock } = await makeHost(t, {});
  const folder = await makeFolder(t);
  const env = { COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}` };
  t.is((await clock('status')).code, 0);
  t.is((await folder.cliHere(['quarantine', 'start', '--yes'], { env })).code, 0);
  t.is((await clock('accept', '--yes')).code, 0);
  const status = await folder.cliHere(['quarantine', 'status', '-o', 'json'], { env });
  t.true(status.json.quarantined);
});

test('the doctor says that no server would start, and how to mend it', async t => {
  const { app, time } = await makeHost(t, {});
  time.pass(2 * HOUR_MS);
  await addPerson(app);
  const folder = await makeFolder(t);
  const env = {
    COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: app.directory,
  };
  const ran = await folder.cliHere(['doctor'], { env });
  t.regex(ran.stdout, /no server starts: the clock of this machine says .* behind/s);
  t.regex(ran.stdout, /countersign clock accept/);
});

test('where there is no store no clock is accepted', async t => {
  const folder = await makeFolder(t);
  for (const args of [['status'], ['accept', '--yes']]) {
    const ran = await folder.cliHere(['clock', ...args]);
    t.is(ran.code, 2);
    t.regex(ran.stderr, /no store/);
  }
});
