/** What a machine's clock that steps, for one reading or for good, does to tokens and to what is used once: nothing lasts longer by it (I18). */
import test, { type ExecutionContext } from 'ava';
import { decodeJwt } from 'jose';
import { type MovableTime, movableTime } from '../support/movable-time.ts';
import { type HttpCaller, openCaller } from '../support/server-process.ts';
import {
  type Answer,
  type App,
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
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';

const SECOND = 1_000;
const HOUR = 3_600_000;
const TTL_SECONDS = 30;

interface World {
  readonly app: App;
  readonly time: MovableTime;
  readonly opaque: TestResource;
  readonly jwt: TestResource;
  readonly agent: TestAgent;
  readonly keyed: Awaited<ReturnType<typeof addKeyAgent>>;
  /** The machine's clock is off by so much while this is done, and right again after it. */
  misread<T>(ms: number, work: () => Promise<T>): Promise<T>;
  token(resource: TestResource): Promise<string>;
  isLive(resource: TestResource, token: string): Promise<boolean>;
  /** Authenticates by an assertion. */
  assert(assertion: string): Promise<Answer>;
}

async function startWorld(t: ExecutionContext, env: StoreEnv, issuerAt?: { path: string }): Promise<World> {
  const time = movableTime();
  const app = await startApp(t, { env, time, databaseTime: time.actual, ...(issuerAt && { issuerAt }) });
  const owner = await addPerson(app);
  const life = { accessTokenTtlSeconds: TTL_SECONDS };
  const opaque = await addResource(app, life);
  const jwt = await addResource(app, { ...life, tokenFormat: { kind: 'jwt', alg: 'ES256' } });
  const grants = [opaque, jwt].map(({ identifier }) => ({ resource: identifier, scopes: ['read'] }));
  const agent = await addAgent(app, owner, opaque, { envelope: grants, baseline: grants });
  return {
    app,
    time,
    opaque,
    jwt,
    agent,
    keyed: await addKeyAgent(app, owner, opaque),
    async misread(ms, work) {
      time.setBy(ms);
      try {
        return await work();
      } finally {
        time.setBy(-ms);
      }
    },
    token: resource => getToken(app, agent, resource),
    isLive: async (resource, token) => (await introspect(app, resource, token)).json.active,
    assert: assertion =>
      app.post('/token', {
        grant_type: 'client_credentials',
        resource: opaque.identifier,
        ...presenting(assertion),
      }),
  };
}

onEachStore('after one reading an hour ahead tokens of 30 s die in 30 s', async (t, env) => {
  const world = await startWorld(t, env);
  const { time, opaque, jwt } = world;
  const during = await world.misread(HOUR, () => world.token(opaque));
  for (const resource of [opaque, jwt]) {
    const token = await world.token(resource);
    time.pass(TTL_SECONDS * SECOND - 1_001);
    t.true(await world.isLive(resource, token));
    time.pass(1_001);
    t.false(await world.isLive(resource, token));
  }
  t.false(await world.isLive(opaque, during), 'one that was issued by the reading lives on');
});

onEachStore(
  'during one reading an hour ahead what may have ended has, and lives again after it',
  async (t, env) => {
    const world = await startWorld(t, env);
    const token = await world.token(world.opaque);
    t.false(await world.misread(HOUR, () => world.isLive(world.opaque, token)));
    t.true(await world.isLive(world.opaque, token));
  },
);

whateverTheStore('during and after one reading an hour ahead JWTs get the right end', async (t, env) => {
  const world = await startWorld(t, env);
  const end = Math.floor(world.time.wall() / 1_000) + TTL_SECONDS;
  t.is(decodeJwt(await world.misread(HOUR, () => world.token(world.jwt))).exp, end);
  t.is(decodeJwt(await world.token(world.jwt)).exp, end);
});

whateverTheStore('after one reading an hour ahead correct assertions are accepted', async (t, env) => {
  const world = await startWorld(t, env);
  await world.misread(HOUR, () => world.token(world.opaque));
  t.is((await world.assert(await signAssertion(world.app, world.keyed))).status, 200);
});

onEachStore('one reading an hour ahead sweeps away no assertion that was used', async (t, env) => {
  const world = await startWorld(t, env);
  const assertion = await signAssertion(world.app, world.keyed);
  t.is((await world.assert(assertion)).status, 200);
  await world.misread(HOUR, async () => {
    await world.token(world.opaque);
    while ((await world.app.store.sweep()) > 0);
  });
  t.is((await world.assert(assertion)).status, 401);
  t.true((await world.app.trail()).some(({ reason }) => reason === 'assertion-replayed'));
});

onEachStore(
  'a machine that slept is believed after ten seconds, and what had ended stays so',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { time, opaque } = world;
    const old = await world.token(opaque);
    time.sleep(8 * HOUR);
    t.false(await world.isLive(opaque, old));
    time.pass(10 * SECOND);
    const token = await world.token(opaque);
    t.true(await world.isLive(opaque, token));
    t.is(decodeJwt(await world.token(world.jwt)).iat, Math.floor(time.wall() / 1_000));
    // And is set wrong when it has woken.
    time.setBy(-8 * HOUR);
    t.false(await world.isLive(opaque, old), 'an end was taken back');
    time.pass(TTL_SECONDS * SECOND);
    t.false(await world.isLive(opaque, token), 'the token outlived its time');
  },
);

whateverTheStore(
  'a clock set back by 20 s lets nothing live longer than at half speed, and JWTs end by it',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { time, opaque, jwt } = world;
    const token = await world.token(opaque);
    time.setBy(-20 * SECOND);
    const { iat, exp } = decodeJwt(await world.token(jwt));
    t.is(iat, Math.floor(time.wall() / 1_000));
    t.is(exp, Math.floor(time.wall() / 1_000) + TTL_SECONDS);
    time.pass(20 * SECOND);
    t.true(await world.isLive(opaque, token));
    time.pass(20 * SECOND);
    // 20 s of our time: the wall has caught up.
    t.true(await world.isLive(opaque, token));
    time.pass(10 * SECOND);
    t.false(await world.isLive(opaque, token));
  },
);

whateverTheStore('a clock set back by an hour lets nothing live longer', async (t, env) => {
  const world = await startWorld(t, env);
  const tokens = [await world.token(world.opaque), await world.token(world.jwt)] as const;
  const assertion = await signAssertion(world.app, world.keyed);
  t.is((await world.assert(assertion)).status, 200);
  world.time.setBy(-HOUR);
  world.time.pass(TTL_SECONDS * SECOND);
  t.false(await world.isLive(world.opaque, tokens[0]));
  t.false(await world.isLive(world.jwt, tokens[1]));
  world.time.setBy(HOUR);
  t.is((await world.assert(assertion)).status, 401);
});

interface TwoProcesses extends World {
  readonly otherTime: MovableTime;
  readonly second: App;
  /** Asks the other process. */
  readonly other: HttpCaller;
}

/** One more process on the same store, on a machine of its own. */
async function startTwo(t: ExecutionContext, env: StoreEnv): Promise<TwoProcesses> {
  const world = await startWorld(t, env, { path: '' });
  const otherTime = movableTime(world.time.wall());
  const second = await startAppIn(world.app.directory, {
    time: otherTime,
    databaseTime: world.time.actual,
    env: {
      ...env,
      COUNTERSIGN_ISSUER: world.app.issuer,
      COUNTERSIGN_BOOTSTRAP_CLIENT_ID: world.app.admin.clientId,
      COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: world.app.admin.secret,
    },
  });
  const other = openCaller(Number(new URL(second.base).port), world.app.issuer);
  t.teardown(async () => {
    other.close();
    await second.stop();
  });
  return { ...world, otherTime, second, other };
}

/** What one process has issued, asked for at the other. */
async function tokenOfOther(
  { other, agent }: TwoProcesses,
  resource: Pick<TestResource, 'identifier'>,
  basic = agent.basic,
): Promise<string> {
  const ask = { grant_type: 'client_credentials', resource: resource.identifier };
  const { status, json } = await other.post('/token', ask, { basic });
  if (status !== 200) throw new Error(`no token: ${status} ${JSON.stringify(json)}`);
  return json.access_token;
}

onEachStore('one wrong reading of one process does nothing to another', async (t, env) => {
  const world = await startTwo(t, env);
  const { app, otherTime, other, second, opaque, jwt } = world;
  const assertion = await signAssertion(app, world.keyed);
  t.is((await world.assert(assertion)).status, 200);
  otherTime.setBy(HOUR);
  const tokens = [
    [opaque, await tokenOfOther(world, opaque)],
    [jwt, await tokenOfOther(world, jwt)],
  ] as const;
  while ((await second.store.sweep()) > 0);
  otherTime.setBy(-HOUR);
  for (const [resource, token] of tokens) t.true(await world.isLive(resource, token));
  const again = { grant_type: 'client_credentials', ...presenting(assertion) };
  t.is((await world.assert(assertion)).status, 401);
  t.is((await other.post('/token', again)).status, 401);
  for (const each of [world.time, otherTime]) each.pass(TTL_SECONDS * SECOND);
  for (const [resource, token] of tokens) {
    t.false(await world.isLive(resource, token));
    const { json } = await other.post('/introspect', { token }, { basic: [resource.id, resource.secret] });
    t.false(json.active);
  }
});

// On MongoDB such a process issues nothing: it compares its time with the database's.
test('a token of a process whose clock is ahead is accepted by no other, which says why', async t => {
  const world = await startTwo(t, {});
  const { app, time, otherTime, other, opaque, jwt } = world;
  otherTime.setBy(60 * SECOND);
  await other.call('GET', '/readyz');
  otherTime.pass(10 * SECOND);
  time.pass(10 * SECOND);
  const tokens = [
    [opaque, await tokenOfOther(world, opaque)],
    [jwt, await tokenOfOther(world, jwt)],
  ] as const;
  const basic = [app.admin.clientId, app.admin.secret] as const;
  const api = { identifier: `${app.issuer}/api` };
  const early = await tokenOfOther(world, api, basic);
  const revoked = await tokenOfOther(world, opaque);
  for (const [resource, token] of tokens) {
    const { json } = await other.post('/introspect', { token }, { basic: [resource.id, resource.secret] });
    t.true(json.active, 'where it was issued it lives');
    t.false(await world.isLive(resource, token));
  }
  const call = async (token: string, path: string, init: RequestInit = {}) => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    return fetch(`${app.base}/api/v1/${path}`, { ...init, headers });
  };
  t.is((await call(early, 'me')).status, 401);
  const reasons = (await app.trail()).map(({ type, reason, client }) => [type, reason, client]);
  const inTrail = (wanted: readonly unknown[]) =>
    reasons.some(each => JSON.stringify(each) === JSON.stringify(wanted));
  for (const { id } of [opaque, jwt]) {
    t.true(inTrail(['token.introspection-refused', 'token-from-the-future', id]));
  }
  t.true(reasons.some(([type, reason]) => type === 'admin.refused' && reason === 'token-from-the-future'));

  const right = await getToken(app, { id: basic[0], basic }, { ...opaque, ...api });
  const body = JSON.stringify({ token: tokens[0][1] });
  const explained = await (await call(right, 'explain/token', { method: 'POST', body })).json();
  t.like(explained, { state: 'from-the-future' });
  t.regex((explained as { why: string }).why, /still to come: a clock was wrong/);

  // It can be ended all the same, and does not come alive when its time has come.
  await app.post('/revoke', { token: revoked }, { basic: world.agent.basic });
  time.pass(61 * SECOND);
  t.true(await world.isLive(opaque, tokens[0][1]));
  t.false(await world.isLive(opaque, revoked));
});
