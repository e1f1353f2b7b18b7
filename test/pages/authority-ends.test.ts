/** What a person does at the pages, and an application at the engine's endpoints, is checked in the commit too. */
import type { ExecutionContext } from 'ava';
import * as client from 'openid-client';
import { agentIdOf, killAgent } from '../../src/agents/index.ts';
import { killPerson } from '../../src/people/index.ts';
import type { Change } from '../../src/store/store.ts';
import { castWorld, type World } from '../support/application-world.ts';
import { markTrail } from '../support/events-since.ts';
import { justBefore } from '../support/just-before.ts';
import { movableTime } from '../support/movable-time.ts';
import { type App, startApp, startAppIn } from '../support/start-app.ts';
import { sharingOnEachStore } from '../support/stores.ts';

const onTwoProcesses = sharingOnEachStore(async (host, store) => {
  const time = movableTime();
  const app = await startApp(host, { time, databaseTime: time.actual, env: store });
  const other = await startAppIn(app.directory, {
    clock: app.now,
    env: { ...store, COUNTERSIGN_ISSUER: app.issuer },
  });
  host.teardown(() => other.stop());
  return { cast: (t: ExecutionContext) => castWorld(t, app, { store, time }), other };
});

/** Comes to the page that asks whether an application may act. @returns the path of its form */
async function comeToConsent({ config, resource, visitor, app }: World): Promise<string> {
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: 'http://127.0.0.1:49152/callback',
    code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
    resource: resource.identifier,
    scope: 'read offline_access',
    prompt: 'consent',
    state: client.randomState(),
  });
  const at = new URL((await visitor.get(url.href)).location ?? '', app.issuer).pathname;
  const page = await visitor.get(at);
  if (page.status !== 200) throw new Error(`${page.status} ${page.location} ${page.text}`);
  return at;
}

const killThem = ({ ada }: World, other: App) =>
  killPerson(
    { people: other.store, credentials: other.store, freshness: other.store },
    ada.person.id,
    other.origin(),
  );

const ENDINGS: Readonly<Record<string, (world: World, other: App) => Promise<unknown>>> = {
  'their session is ended': async ({ ada }, { store }) =>
    store.commit({
      changes: [{ kind: 'end-passes', passKind: 'session', personId: ada.person.id }],
      events: [],
    }),
  'they are killed': killThem,
};

const STEPS: Readonly<Record<string, (change: Change) => boolean>> = {
  'the agent of their own': change => change.kind === 'insert' && change.collection === 'agent',
  'the grant': change => change.kind === 'engine-put' && change.record.model === 'Grant',
};

const isCode = (change: Change): boolean =>
  change.kind === 'engine-put' && change.record.model === 'AuthorizationCode';

for (const [ending, end] of Object.entries(ENDINGS)) {
  onTwoProcesses(
    `I6: whoever lets an application act for them while ${ending} signs in again, and has let it do nothing`,
    async (t, { cast, other }) => {
      for (const [step, isStep] of Object.entries(STEPS)) {
        const world = await cast(t);
        const { app, visitor, clientId, ada } = world;
        const since = await markTrail(app);
        const form = await comeToConsent(world);
        const hasEnded = justBefore(app.store, isStep, () => end(world, other));
        const answer = await visitor.submit(form, { decision: 'allow' });
        t.true(hasEnded(), step);
        t.is(answer.status, 303, `${step}: ${answer.text}`);
        t.is(answer.location, '/sign-in', step);
        const application = await app.store.findAgent(clientId);
        if (!application) throw new Error('the application is gone');
        await app.store.fresh();
        const agent = await app.store.findAgent(agentIdOf({ record: application, clientId }, ada.person.id));
        t.is(agent !== undefined, step === 'the grant', step);
        t.false(
          (await since()).some(({ type }) => type === 'grant.given'),
          step,
        );
      }
    },
  );
}

for (const [ending, end] of Object.entries(ENDINGS)) {
  onTwoProcesses(
    `I6: a person who has let an application act for them is asked anew where ${ending} before the browser goes on`,
    async (t, { cast, other }) => {
      const world = await cast(t);
      const { visitor } = world;
      const goOn = (await visitor.submit(await comeToConsent(world), { decision: 'allow' })).location ?? '';
      t.regex(goOn, /\/authorize\//);
      await end(world, other);
      const answer = await visitor.get(goOn);
      t.is(answer.status, 303, answer.text);
      t.regex(answer.location ?? '', /\/interaction\//, 'they are asked anew');
      t.regex((await visitor.get(answer.location ?? '')).location ?? '', /^\/sign-in\?/);
      if (end === killThem) return;

      // Nothing was spent: they sign in and agree once more.
      const { ada, app } = world;
      world.pass(60_000);
      const page = new URL(answer.location ?? '', app.issuer).pathname;
      await visitor.signIn(ada.email, ada.seed, app.now(), page);
      await visitor.get(page);
      const agreed = await visitor.submit(page, { decision: 'allow' });
      const back = new URL((await visitor.get(agreed.location ?? '')).location ?? '');
      t.truthy(back.searchParams.get('code'), back.href);
    },
  );

  onTwoProcesses(
    `I6: an application gets no code while ${ending}, whether they were asked just now or had agreed before`,
    async (t, { cast, other }) => {
      for (const hasAgreedBefore of [false, true]) {
        const world = await cast(t);
        const { app, visitor } = world;
        if (hasAgreedBefore) await world.walk(visitor);
        const hasEnded = justBefore(app.store, isCode, () => end(world, other));
        const { callback } = await world.walk(visitor, hasAgreedBefore ? { prompt: '' } : {});
        t.true(hasEnded());
        t.is(callback.searchParams.get('code'), null, callback.href);
        t.is(callback.searchParams.get('error'), 'access_denied');
      }
    },
  );
}

onTwoProcesses(
  'I6: an application that is killed while its code is exchanged is 401 invalid_client, and gets nothing',
  async (t, { cast, other }) => {
    const world = await cast(t);
    const { app, clientId } = world;
    const { callback, checks } = await world.walk(world.visitor);
    const kill = () => killAgent({ agents: other.store, freshness: other.store }, clientId, other.origin());
    const hasBeenKilled = justBefore(app.store, ({ kind }) => kind === 'engine-consume', kill);
    const answer = await app.post('/token', {
      grant_type: 'authorization_code',
      client_id: clientId,
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: `${callback.origin}${callback.pathname}`,
      code_verifier: String(checks.pkceCodeVerifier),
    });
    t.true(hasBeenKilled());
    t.is(answer.status, 401, answer.text);
    t.is(answer.json.error, 'invalid_client');
    t.false((await app.trail()).some(({ type, client: by }) => type === 'token.issued' && by === clientId));
  },
);

onTwoProcesses(
  'I6: an application that is killed while it pushes a request is 401 invalid_client',
  async (t, { cast, other }) => {
    const world = await cast(t);
    const { app, clientId, resource } = world;
    const kill = () => killAgent({ agents: other.store, freshness: other.store }, clientId, other.origin());
    const push = async () =>
      app.post('/par', {
        client_id: clientId,
        response_type: 'code',
        redirect_uri: 'http://127.0.0.1:49152/callback',
        code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
        code_challenge_method: 'S256',
        resource: resource.identifier,
        scope: 'read',
      });
    t.is((await push()).status, 201);
    const hasBeenKilled = justBefore(app.store, ({ kind }) => kind === 'engine-put', kill);
    const answer = await push();
    t.true(hasBeenKilled());
    t.is(answer.status, 401, answer.text);
    t.is(answer.json.error, 'invalid_client');
    t.is(answer.json.request_uri, undefined);
  },
);
