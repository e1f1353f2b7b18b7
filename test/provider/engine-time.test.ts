/** The engine reads the machine's clock itself: what it stores ends by ours all the same. */
import test from 'ava';
import * as client from 'openid-client';
import { datedForEngine } from '../../src/provider/engine-time.ts';
import { introspect, REDIRECT, startWorld } from '../support/application-world.ts';
import { movableTime } from '../support/movable-time.ts';
import { onEachStore } from '../support/stores.ts';

const HOUR = 3_600_000;

test('what the engine finds has as much left by its clock as by ours, and is as old', t => {
  const now = Math.floor(Date.now() / 1_000);
  for (const wrote of [now, now + 3_600, now - 86_400]) {
    // Made a minute ago by a clock that was off, for ten minutes.
    const found = datedForEngine({ iat: wrote - 60, exp: wrote + 540, jti: 'x' }, 540_000);
    t.true(Math.abs((found.exp ?? 0) - now - 540) <= 2);
    t.true(Math.abs((found.iat ?? 0) - now + 60) <= 2);
    t.is(found.jti, 'x');
  }
  t.deepEqual(datedForEngine({ jti: 'x' }, 1_000), { jti: 'x' });
});

onEachStore(
  'codes and refresh tokens go on when the machine has slept, and end by our time',
  async (t, env) => {
    const time = movableTime();
    const world = await startWorld(t, { redirectUris: [REDIRECT] }, env, time);
    const { config, visitor } = world;
    const { callback, checks } = await world.walk(visitor);
    const { refresh_token: first = '' } = await client.authorizationCodeGrant(config, callback, checks);

    // The engine's own clock knows nothing of these hours: the record of ours decides.
    time.sleep(8 * HOUR);
    await visitor.get('/readyz');
    time.pass(10_000);
    const renewed = await client.refreshTokenGrant(config, first);
    t.true((await introspect(world, renewed.access_token)).active);

    time.pass(31 * 24 * HOUR);
    await t.throwsAsync(client.refreshTokenGrant(config, renewed.refresh_token ?? ''), {
      instanceOf: client.ResponseBodyError,
    });
  },
);

onEachStore(
  'one wrong reading does not make a refresh token that comes again a stolen one',
  async (t, env) => {
    const time = movableTime();
    const world = await startWorld(t, { redirectUris: [REDIRECT] }, env, time);
    const { config, visitor, app, clientId } = world;
    const { callback, checks } = await world.walk(visitor);
    const { refresh_token: used = '' } = await client.authorizationCodeGrant(config, callback, checks);
    const next = await client.refreshTokenGrant(config, used);
    // Sessions of one client may come with it side by side, for half a minute; whether that is over is in doubt.
    time.setBy(HOUR);
    const form = { grant_type: 'refresh_token', refresh_token: used, client_id: clientId };
    t.is((await app.post('/token', form)).status, 503);
    time.setBy(-HOUR);
    t.true((await introspect(world, next.access_token)).active);
    t.is((await app.post('/token', form)).status, 200);
    time.pass(31_000);
    t.is((await app.post('/token', form)).status, 400);
    t.false((await introspect(world, next.access_token)).active);
  },
);

// Serial: what the engine reads is read by everybody in this process.
test.serial('a wrong reading of the engine itself neither ends a code nor lengthens it', async t => {
  const time = movableTime();
  const world = await startWorld(t, { redirectUris: [REDIRECT] }, {}, time);
  const { config, visitor } = world;
  const read = Date.now;
  const whileOff = async <T>(ms: number, work: () => Promise<T>): Promise<T> => {
    Date.now = () => read() + ms;
    try {
      return await work();
    } finally {
      Date.now = read;
    }
  };
  for (const [made, used] of [
    [HOUR, 0],
    [-HOUR, 0],
    [0, HOUR],
    [0, -HOUR],
  ] as const) {
    const { callback, checks } = await whileOff(made, () => world.walk(visitor));
    const { access_token } = await whileOff(used, () =>
      client.authorizationCodeGrant(config, callback, checks),
    );
    t.true((await introspect(world, access_token)).active);
  }
  const { callback, checks } = await whileOff(HOUR, () => world.walk(visitor));
  time.pass(60_000);
  await t.throwsAsync(client.authorizationCodeGrant(config, callback, checks), {
    instanceOf: client.ResponseBodyError,
  });
});
