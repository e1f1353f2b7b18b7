/** What a process does where its clock is behind what was committed, or apart from the database's: nothing lives again by that. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { killAgent } from '../../src/agents/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { StoreUnavailable } from '../../src/errors.ts';
import { ClockRefused } from '../../src/recovery/index.ts';
import { inspectStore } from '../../src/store/inspect-store.ts';
import { deploy, sharedMongo, sharedSqlite } from '../support/deployment.ts';
import { type MongoServer, startMongoServer } from '../support/mongo-server.ts';
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
  startAppIn,
  type TestAgent,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv } from '../support/stores.ts';

const MINUTE_MS = 60_000;

let mongo: MongoServer | undefined;
test.before('start a MongoDB server for the tests of it alone', async () => {
  mongo = await startMongoServer();
});
test.after.always('stop it', () => mongo?.stop());

/** Of MongoDB alone: a file has no clock of its own. */
function mongoTest(title: string, body: (t: ExecutionContext, env: StoreEnv) => Promise<void>): void {
  if (process.env['COUNTERSIGN_TEST_MONGODB'] === 'off') {
    test.skip(title, () => undefined);
    return;
  }
  test.serial(title, t =>
    body(t, {
      COUNTERSIGN_STORE: mongo?.freshUri() ?? '',
      COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
    }),
  );
}

/** Starts processes on one store, each with clocks of its own. */
async function machine(
  t: ExecutionContext,
  env: StoreEnv,
): Promise<(time: MovableTime, options?: AppOptions) => Promise<App>> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-start-time-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return async (time, options = {}) => {
    const app = await startAppIn(directory, { env, time, ...options });
    t.teardown(() => app.stop());
    return app;
  };
}

/** A start whose clock is behind: `waits` is fulfilled once it does. */
function beginStart(start: (options: AppOptions) => Promise<App>) {
  const logs: string[] = [];
  const started = start({ logs });
  const ended = started.then(
    () => 'started' as const,
    (error: Error) => error,
  );
  let isEnded = false;
  void ended.then(() => {
    isEnded = true;
  });
  const waits = async (): Promise<void> => {
    while (!logs.some(line => line.includes('the start waits'))) {
      if (isEnded) throw new Error('the start did not wait');
      await delay(20);
    }
  };
  return { started, ended, waits };
}

/** Asks for a token of the deployment by its one name, whichever process answers. */
async function postAs(
  app: App,
  host: string,
  form: Readonly<Record<string, string>>,
): Promise<{ readonly status: number | undefined; readonly text: string }> {
  const headers = { Host: host, 'Content-Type': 'application/x-www-form-urlencoded' };
  const asked = request(`${app.base}/token`, { method: 'POST', headers });
  asked.end(new URLSearchParams(form).toString());
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: response.statusCode, text: await text(response) };
}

async function lastCommitted(app: App, env: StoreEnv): Promise<number | undefined> {
  const location = { COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}`, ...env };
  return (await inspectStore(loadConfig(location).store))?.lastCommittedAt;
}

onEachStore('a start with a clock behind revives no token and no agent', async (t, env) => {
  const start = await machine(t, env);
  const began = Date.now();
  const time = movableTime(began);
  const first = await start(time);
  const owner = await addPerson(first);
  const resource = await addResource(first);
  const agent = await addAgent(first, owner, resource);
  const expiresAt = new Date(began + MINUTE_MS).toISOString();
  const ending = await addAgent(first, owner, resource, { expiresAt });
  const token = await getToken(first, agent, resource);
  time.pass(120 * MINUTE_MS);
  t.false((await introspect(first, resource, token)).json.active);
  await getToken(first, agent, resource);
  await first.stop();

  const behind = movableTime(began);
  const one = beginStart(options => start(behind, options));
  await one.waits();
  behind.pass(30_000);
  const error = await one.ended;
  t.true(error instanceof ClockRefused, String(error));
  const { message } = error as Error;
  t.true(message.includes(new Date(began + 30_000).toISOString()), 'what the clock says');
  t.true(message.includes(new Date(began + 120 * MINUTE_MS).toISOString()), 'what was committed last');
  t.regex(message, /1 h 59 min behind/);
  t.regex(message, /set it right/);
  t.regex(message, /countersign clock accept/);

  // Another one waits too, and meanwhile its clock is set right.
  const mended = movableTime(began);
  const two = beginStart(options => start(mended, options));
  await two.waits();
  mended.wallAt(time.wall());
  const second = await two.started;
  t.false((await introspect(second, resource, token)).json.active);
  const answer = await second.post(
    '/token',
    { grant_type: 'client_credentials', resource: resource.identifier },
    { basic: ending.basic },
  );
  t.is(answer.status, 401, 'it had ended');
  await getToken(second, agent, resource);
});

onEachStore('a start a few seconds behind takes what was committed last for the present', async (t, env) => {
  const start = await machine(t, env);
  const time = movableTime();
  const first = await start(time);
  const resource = await addResource(first, { accessTokenTtlSeconds: 60 });
  const agent = await addAgent(first, await addPerson(first), resource);
  const token = await getToken(first, agent, resource);
  time.pass(62_000);
  await getToken(first, agent, resource);
  await first.stop();
  const second = await start(movableTime(time.wall() - 4_000));
  t.false((await introspect(second, resource, token)).json.active);
  const opened = (await second.trail()).filter(event => event.type === 'lane.opened');
  t.true((opened.at(-1)?.at ?? 0) >= time.wall());
  t.true(((await lastCommitted(second, env)) ?? 0) >= time.wall(), 'it never goes back');
});

test('a used assertion is refused by a process whose clock is nearly an hour behind, though another has swept', async t => {
  const start = await machine(t, {});
  const [ahead, behind] = [movableTime(), movableTime()];
  const env = { COUNTERSIGN_ISSUER: 'http://localhost:8' };
  const [one, two] = [await start(ahead, { env }), await start(behind, { env })];
  const resource = await addResource(one);
  const agent = await addKeyAgent(one, await addPerson(one), resource);
  // It does not say when it was made.
  const claims = { iat: undefined };
  const present = (app: App, client_assertion: string) =>
    postAs(app, 'localhost:8', {
      grant_type: 'client_credentials',
      resource: resource.identifier,
      ...presenting(client_assertion),
    });
  const assertion = await signAssertion(one, agent, claims);
  const used = await present(one, assertion);
  t.is(used.status, 200, used.text);
  ahead.pass(59 * MINUTE_MS);
  while ((await one.store.sweep()) > 0);
  const again = await present(two, assertion);
  t.is(again.status, 401, again.text);
  t.true(
    (await two.trail()).some(event => event.reason === 'assertion-replayed'),
    'not for another reason',
  );
  t.is(await lastCommitted(two, {}), ahead.wall(), 'who is behind puts nothing back');
});

mongoTest('a process whose clock is wrong commits only what takes authority away', async (t, env) => {
  const start = await machine(t, env);
  const [right, wrong] = [movableTime(), movableTime()];
  const databaseTime = right.wall;
  const [one, two] = [await start(right, { databaseTime }), await start(wrong, { databaseTime })];
  const owner = await addPerson(one);
  const resource = await addResource(one);
  const [agent, other] = [await addAgent(one, owner, resource), await addAgent(one, owner, resource)];
  const ask = (app: App, { basic }: TestAgent) =>
    app.post('/token', { grant_type: 'client_credentials', resource: resource.identifier }, { basic });
  t.is((await ask(two, agent)).status, 200);
  const token = await getToken(one, other, resource);

  wrong.pass(10 * 24 * 60 * MINUTE_MS);
  const refused = await ask(two, agent);
  t.is(refused.status, 503, refused.text);
  await t.throwsAsync(addPerson(two), {
    instanceOf: StoreUnavailable,
    message: /ahead of the clock of the database/,
  });
  const ready = await fetch(`${two.base}/readyz`);
  t.is(ready.status, 503);
  const said = await ready.text();
  t.regex(said, /clock/);
  t.regex(said, /864000 s ahead of the clock of the database/);
  await killAgent({ agents: two.store, freshness: two.store }, other.id, two.origin());
  t.false((await introspect(one, resource, token)).json.active, 'a kill goes on');
  t.true(((await lastCommitted(one, env)) ?? Number.POSITIVE_INFINITY) <= right.wall(), 'and poisons nobody');

  wrong.wallAt(right.wall() - 10 * 24 * 60 * MINUTE_MS);
  const late = beginStart(options => start(wrong, { ...options, databaseTime }));
  await late.waits();
  wrong.pass(30_000);
  t.regex(String(await late.ended), /behind/);
  t.is((await ask(one, agent)).status, 200, 'the others go on');
});

mongoTest('a kill by a process whose clock is behind is remembered as long as any', async (t, env) => {
  const start = await machine(t, env);
  const [right, wrong] = [movableTime(), movableTime()];
  const databaseTime = right.wall;
  const [one, two] = [await start(right, { databaseTime }), await start(wrong, { databaseTime })];
  const resource = await addResource(one);
  const agent = await addAgent(one, await addPerson(one), resource);
  right.pass(3 * 24 * 60 * MINUTE_MS);
  const token = await getToken(one, agent, resource);
  await killAgent({ agents: two.store, freshness: two.store }, agent.id, two.origin());
  // Somebody who has not heard of it yet, and reads what is still announced.
  const three = await start(movableTime(right.wall()), { databaseTime });
  for (const app of [one, three]) {
    t.false((await introspect(app, resource, token)).json.active);
    t.true(app.store.epochs.raisedTo(agent.id) > 0);
  }
});

test('the time that was committed last survives a crash', async t => {
  const shared = [await sharedSqlite(t), ...(mongo ? [await sharedMongo(t, mongo)] : [])];
  for (const each of shared) {
    const deployment = await deploy(t, each);
    const server = await deployment.start();
    const before = Date.now();
    await deployment.administer(server);
    await server.end('SIGKILL');
    const { store } = loadConfig(each.env);
    const kept = (await inspectStore(store))?.lastCommittedAt ?? 0;
    t.true(kept >= before && kept <= Date.now(), store.kind);
  }
});

test('a store from before, which has kept no time, starts as it did', async t => {
  const start = await machine(t, {});
  const time = movableTime();
  const first = await start(time);
  const file = join(first.directory, 'countersign.sqlite');
  await first.stop();
  const database = new DatabaseSync(file);
  database.exec('DELETE FROM kept_time');
  database.close();
  const second = await start(movableTime(time.wall() - 60 * MINUTE_MS));
  t.is(await lastCommitted(second, {}), time.wall() - 60 * MINUTE_MS);
});
