/**
 * While our time is more than 30 s ahead of the machine's clock nothing is issued, signed in to or approved; what takes authority away,
 * and what asks about it, goes on (I18).
 */
import type { ExecutionContext } from 'ava';
import * as client from 'openid-client';
import { createPerson, issueEnrolment } from '../../src/people/index.ts';
import { startWorld, type World } from '../support/application-world.ts';
import { type MovableTime, movableTime } from '../support/movable-time.ts';
import { codeOf, PASSWORD } from '../support/people.ts';
import {
  addAgent,
  addKeyAgent,
  addPerson,
  getToken,
  introspect,
  presenting,
  signAssertion,
  startApp,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';
import { type Shown, Visitor } from '../support/visitor.ts';

const HOUR = 3_600_000;

interface AheadWorld extends World {
  readonly time: MovableTime;
  /** The wall is set back an hour for as long as this takes. */
  ahead<T>(work: () => Promise<T>): Promise<T>;
  /** What was refused for the clock: type, and how often, in the order of the first. */
  refusedForClock(): Promise<readonly string[]>;
}

async function startAhead(t: ExecutionContext, env: StoreEnv): Promise<AheadWorld> {
  const time = movableTime();
  const world = await startWorld(t, { redirectUris: ['http://127.0.0.1/callback'] }, env, time);
  return {
    ...world,
    time,
    async ahead(work) {
      time.setBy(-HOUR);
      try {
        return await work();
      } finally {
        time.setBy(HOUR);
      }
    },
    async refusedForClock() {
      const events = await world.app.trail();
      return events.filter(({ reason }) => reason === 'clock-ahead').map(({ type }) => type);
    },
  };
}

function assertPage(t: ExecutionContext, { status, headers, text }: Shown): void {
  t.is(status, 503);
  t.is(headers.get('retry-after'), '30');
  t.regex(text, /The clock of this server is wrong/);
}

whateverTheStore(
  'while the clock is too far ahead no client gets a token, and uses up nothing',
  async (t, env) => {
    const { app, resource, ahead, refusedForClock } = await startAhead(t, env);
    const owner = await addPerson(app);
    const agent = await addAgent(app, owner, resource);
    const keyed = await addKeyAgent(app, owner, resource);
    const ask = { grant_type: 'client_credentials', resource: resource.identifier };
    const assertion = await signAssertion(app, keyed);
    await ahead(async () => {
      for (const answer of [
        await app.post('/token', ask, { basic: agent.basic }),
        await app.post('/token', { ...ask, ...presenting(assertion) }),
      ]) {
        t.is(answer.status, 503);
        t.is(answer.headers.get('retry-after'), '30');
        t.is(answer.json.error, 'temporarily_unavailable');
        t.regex(answer.json.error_description, /clock of this server was set back/);
      }
    });
    t.is((await app.post('/token', ask, { basic: agent.basic })).status, 200);
    t.is((await app.post('/token', { ...ask, ...presenting(assertion) })).status, 200);
    t.deepEqual(await refusedForClock(), ['token.issue-refused'], 'alike ones are written once, and counted');
  },
);

onEachStore('while the clock is too far ahead codes and refresh tokens wait for it', async (t, env) => {
  const world = await startAhead(t, env);
  const { visitor, config, ahead, refusedForClock } = world;
  const assertWaits = async (work: () => Promise<unknown>) => {
    const error = await t.throwsAsync(ahead(work), { instanceOf: client.ClientError });
    t.is((error?.cause as Response | undefined)?.status, 503);
  };
  const { callback, checks } = await world.walk(visitor);
  await assertWaits(() => client.authorizationCodeGrant(config, callback, checks));
  const first = await client.authorizationCodeGrant(config, callback, checks);
  const refreshToken = first.refresh_token ?? '';
  await assertWaits(() => client.refreshTokenGrant(config, refreshToken));
  const second = await client.refreshTokenGrant(config, refreshToken);
  t.true((await introspect(world.app, world.resource, second.access_token)).json.active);
  t.deepEqual(await refusedForClock(), ['token.issue-refused']);
});

whateverTheStore('while the clock is too far ahead nobody lets an application act', async (t, env) => {
  const world = await startAhead(t, env);
  const { visitor, ahead, app, refusedForClock } = world;
  const address = client.buildAuthorizationUrl(world.config, {
    redirect_uri: 'http://127.0.0.1:49152/callback',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    resource: world.resource.identifier,
    scope: 'read offline_access',
    state: 'abc',
  }).href;
  const page = (await visitor.get(address)).location ?? '';
  await visitor.get(page);
  const path = new URL(page, app.issuer).pathname;
  assertPage(t, await ahead(() => visitor.submit(path, { decision: 'allow' })));
  t.deepEqual(await refusedForClock(), ['grant.refused']);
  await visitor.get(page);
  const allowed = await visitor.submit(path, { decision: 'allow' });
  t.is(allowed.status, 303);

  // The person has agreed; the code is still to be made.
  const back = await ahead(() => visitor.get(allowed.location ?? ''));
  const callback = new URL(back.location ?? '');
  t.is(callback.searchParams.get('error'), 'temporarily_unavailable');
  t.is(callback.searchParams.get('state'), 'abc');
  t.is(callback.searchParams.get('code'), null);
  const again = await world.walkTo(visitor, address);
  t.truthy(again.callback.searchParams.get('code'));
});

whateverTheStore(
  'while the clock is too far ahead a person may refuse, and their refusal stands',
  async (t, env) => {
    const world = await startAhead(t, env);
    const { callback } = await world.ahead(() => world.walk(world.visitor, {}, 'deny'));
    t.is(callback.searchParams.get('error'), 'access_denied');
  },
);

whateverTheStore(
  'while the clock is too far ahead nobody signs in, by either factor, and no code is used up',
  async (t, env) => {
    const { app, ada, time, ahead, refusedForClock } = await startAhead(t, env);
    time.pass(60_000);
    const visitor = new Visitor(app);
    await visitor.get('/sign-in');
    const form = { email: ada.email, password: PASSWORD };
    assertPage(t, await ahead(() => visitor.submit('/sign-in', form)));
    await visitor.get('/sign-in');
    const begun = await visitor.submit('/sign-in', form);
    await visitor.get(begun.location ?? '');
    const code = { code: codeOf(ada.seed, app.now()) };
    assertPage(t, await ahead(() => visitor.submit('/sign-in/factor', code)));
    await visitor.get(begun.location ?? '');
    const done = await visitor.submit('/sign-in/factor', code);
    t.is(done.location, '/me');
    t.deepEqual(await refusedForClock(), ['person.sign-in-refused', 'person.factor-refused']);
  },
);

whateverTheStore(
  'while the clock is too far ahead nobody steps up; their session goes on, and they can end it',
  async (t, env) => {
    const { app, ada, visitor, time, ahead, refusedForClock } = await startAhead(t, env);
    time.pass(60_000);
    const code = codeOf(ada.seed, app.now());
    await visitor.get('/step-up');
    assertPage(t, await ahead(() => visitor.submit('/step-up', { code })));
    t.deepEqual(await refusedForClock(), ['person.factor-refused']);
    await visitor.get('/step-up');
    t.is((await visitor.submit('/step-up', { code })).location, '/me');
    await ahead(async () => {
      t.is((await visitor.get('/me')).status, 200);
      t.is((await visitor.submit('/sign-out')).location, '/signed-out');
    });
    t.is((await visitor.get('/me')).status, 303);
  },
);

whateverTheStore('while the clock is too far ahead nobody enrols, and their link goes on', async (t, env) => {
  const { app, ahead, refusedForClock } = await startAhead(t, env);
  const { store } = app;
  const email = 'grace@example.com';
  const { person } = await createPerson({ people: store }, { name: 'Grace', email }, app.origin());
  const deps = { credentials: store, store, freshness: store, epochs: store.epochs, issuer: app.issuer };
  const { link } = await issueEnrolment(deps, person, 'invitation', [], app.origin());
  const visitor = new Visitor(app);
  await visitor.get(link);
  await visitor.submit('/enrol');
  await visitor.get('/enrol');
  const { text } = await visitor.submit('/enrol/password', { password: PASSWORD });
  const seed = (/class="secret">([^<]+)</.exec(text)?.[1] ?? '').replaceAll(' ', '');
  const code = codeOf(seed, app.now());
  assertPage(t, await ahead(() => visitor.submit('/enrol/finish', { code })));
  t.deepEqual(await refusedForClock(), ['person.enrolment-refused']);
  await visitor.get('/enrol');
  t.is((await visitor.submit('/enrol/finish', { code })).status, 200);
});

onEachStore(
  'while the clock is too far ahead tokens are introspected and revoked, agents are killed, and the API answers',
  async (t, env) => {
    const { app, resource, ahead } = await startAhead(t, env);
    const owner = await addPerson(app);
    const [agent, killed] = [
      await addAgent(app, owner, resource),
      await addAgent(app, owner, resource),
    ] as const;
    const basic = [app.admin.clientId, app.admin.secret] as const;
    const { json } = await app.post('/token', { grant_type: 'client_credentials' }, { basic });
    const call = async (method: string, path: string): Promise<number> => {
      const headers = { Authorization: `Bearer ${json.access_token}` };
      return (await fetch(`${app.base}/api/v1/${path}`, { method, headers })).status;
    };
    const [kept, revoked, dying] = [
      await getToken(app, agent, resource),
      await getToken(app, agent, resource),
      await getToken(app, killed, resource),
    ] as const;
    const isLive = async (token: string) => (await introspect(app, resource, token)).json.active as boolean;
    await ahead(async () => {
      t.is((await app.post('/revoke', { token: revoked }, { basic: agent.basic })).status, 200);
      t.is(await call('POST', `agents/${killed.id}/kill`), 200);
      t.is(await call('GET', `agents/${agent.id}`), 200);
      t.is(await call('POST', `people/${owner.id}/invite`), 200);
      t.true(await isLive(kept));
      t.false(await isLive(revoked));
      t.false(await isLive(dying));
    });
    t.deepEqual(await Promise.all([kept, revoked, dying].map(isLive)), [true, false, false]);
  },
);

onEachStore('/readyz and the log say how it stands with the clock, and when it is right', async (t, env) => {
  const time = movableTime();
  const logs: string[] = [];
  const app = await startApp(t, { env, time, databaseTime: time.actual, logs });
  const ready = async () => {
    const answer = await fetch(`${app.base}/readyz`);
    const { status, checks } = (await answer.json()) as { status: string; checks: { clock: string } };
    return `${answer.status} ${status}: ${checks.clock}`;
  };
  t.is(await ready(), '200 ok: ok');
  time.setBy(-HOUR);
  t.is(await ready(), "503 unavailable: 3600 s ahead of the machine's clock");
  time.setBy(HOUR - 20_000);
  t.is(await ready(), "200 degraded: 20 s ahead of the machine's clock, which is catching up");
  time.setBy(20_000);
  t.is(await ready(), '200 ok: ok');
  time.sleep(HOUR);
  t.is(
    await ready(),
    // The database did not sleep: by its clock, this process is behind until it believes its own.
    env['COUNTERSIGN_STORE']
      ? '503 unavailable: this process is 3600 s behind the clock of the database'
      : "200 degraded: the machine's clock has jumped 3600 s ahead",
  );
  time.pass(10_000);
  t.is(await ready(), '200 ok: ok');
  const told = logs.map(line => JSON.parse(line)).filter(({ msg }) => /machine's clock/.test(msg));
  t.deepEqual(
    told.map(({ level, seconds, msg }) => [level, seconds, msg.replace(/.*machine's clock /, '')]),
    [
      [50, 3_600, 'was set back: nothing is issued, signed in to or approved until it is right'],
      [40, 20, 'is behind: time runs at half speed until it has caught up'],
      [30, undefined, 'is right again'],
      [40, 3_600, 'has jumped ahead: it is not believed yet'],
      [40, 3_600, 'has jumped ahead, for ten seconds now: it is believed'],
    ],
  );
});
