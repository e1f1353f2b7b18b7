/** What a person gives and ends on their page, over HTTP, on every store. */
import test, { type ExecutionContext } from 'ava';
import { killAgent, updateAgent } from '../../src/agents/index.ts';
import { endDelegation, endOwnDelegation } from '../../src/delegation/index.ts';
import { requestToken } from '../../src/people/index.ts';
import { justBefore } from '../support/just-before.ts';
import { movableTime } from '../support/movable-time.ts';
import { codeOf } from '../support/people.ts';
import {
  type App,
  addAgent,
  addPerson,
  addResource,
  type HeldClock,
  heldClock,
  startApp,
  startAppIn,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';
import { type Enrolled, enrol, type Shown, Visitor } from '../support/visitor.ts';

const REVIEW = '/me/delegations/review';
const GIVE = '/me/delegations';

interface World {
  readonly app: App;
  readonly time: HeldClock;
  readonly visitor: Visitor;
  readonly ada: Enrolled;
  readonly agent: TestAgent;
  readonly resource: TestResource;
}

/** Ada, signed in, and an agent of hers that may read, write and delete; the last is of high risk. */
async function startWorld(t: ExecutionContext, env: StoreEnv): Promise<World> {
  const time = heldClock();
  const app = await startApp(t, { clock: time, env });
  const visitor = new Visitor(app);
  const ada = await enrol(app, visitor);
  const resource = await addResource(app, { name: 'Orders' });
  const agent = await addAgent(app, ada.person, resource, {
    name: 'Order helper',
    envelope: [{ resource: resource.identifier, scopes: ['read', 'write', 'delete'] }],
  });
  return { app, time, visitor, ada, agent, resource };
}

const formOf = ({ agent }: World, more = ''): string => `/me/delegations/new?agent=${agent.id}${more}`;

/** Comes to the page that says what it means. */
async function review(
  world: World,
  scopes: readonly string[] = ['read'],
  fields: Readonly<Record<string, string>> = { until: '7d' },
): Promise<Shown> {
  await world.visitor.get(formOf(world));
  return world.visitor.submit(REVIEW, {
    ...Object.fromEntries(scopes.map(scope => [`scope:${scope}`, 'yes'])),
    ...fields,
  });
}

async function give(world: World, scopes?: readonly string[]): Promise<string> {
  const page = await review(world, scopes);
  if (page.status !== 200) throw new Error(`${page.status} ${page.text}`);
  const given = await world.visitor.submit(GIVE);
  const id = /^\/me\?given=(dlg_\w+)$/.exec(given.location ?? '')?.[1];
  if (id === undefined) throw new Error(`${given.status} ${given.location} ${given.text}`);
  return id;
}

const endPath = (id: string): string => `/me/delegations/${id}/end`;
const find = ({ app }: World, id: string) => app.store.findDelegation(id);
const all = async ({ app, ada }: World) =>
  (await app.store.listDelegations({ limit: 200, facets: [`person ${ada.person.id}`] })).items;

whateverTheStore('a person lets an agent act for them and ends it, and the trail says so', async (t, env) => {
  const world = await startWorld(t, env);
  const { app, visitor, ada, agent, resource } = world;
  t.regex((await visitor.get('/me')).text, /An agent that you let act for you is listed here/);
  t.regex((await visitor.get('/me/delegations/new')).text, /Order helper/);
  const page = await review(world, ['read', 'write']);
  t.regex(page.text, /Until [^<]* UTC, Order helper may do this for you at Orders:/);
  t.regex(page.text, /Read orders[\s\S]*Change orders/);
  const id = (await visitor.submit(GIVE)).location?.split('=')[1] ?? '';
  const given = await find(world, id);
  t.like(given, {
    personId: ada.person.id,
    agentId: agent.id,
    resource: resource.identifier,
    scopes: ['read', 'write'],
    mayActNext: [],
    status: 'active',
  });
  const week = Math.floor(app.now() / 60_000) * 60_000 + 7 * 86_400_000;
  t.is(given?.expiresAt, week);
  const me = await visitor.get(`/me?given=${id}`);
  t.regex(me.text, /Order helper may now act for you at Orders, until/);
  t.is((await visitor.submit(endPath(id))).location, `/me?ended=${id}`);
  t.is((await find(world, id))?.status, 'ended');
  const after = await visitor.get(`/me?ended=${id}`);
  t.regex(after.text, /Order helper no longer acts for you at Orders/);
  t.regex(after.text, /Ended [^<]* by you/);
  const told = (await app.trail()).filter(({ type }) => type.startsWith('delegation.'));
  t.deepEqual(
    told.map(({ type, actor, target }) => ({ type, actor, target })),
    ['delegation.given', 'delegation.ended'].map(type => ({ type, actor: [ada.person.id], target: id })),
  );
});

/** Another process on the same store. */
async function another(t: ExecutionContext, { app }: World, env: StoreEnv): Promise<App> {
  const other = await startAppIn(app.directory, {
    clock: app.now,
    env: { ...env, COUNTERSIGN_ISSUER: app.issuer },
  });
  t.teardown(() => other.stop());
  return other;
}

const endBy = ({ store, origin }: App, { ada }: World, id: string) =>
  endOwnDelegation({ delegations: store, freshness: store }, ada.person.id, id, origin());

whateverTheStore(
  'giving again says what it replaces and what changes, and the record is the same',
  async (t, env) => {
    const world = await startWorld(t, env);
    const id = await give(world, ['read', 'write']);
    const form = await world.visitor.get(formOf(world));
    t.regex(form.text, /This agent acts for you here already/);
    t.regex(form.text, /name="scope:write" value="yes" checked/, 'as it is now');
    const page = await review(world, ['read'], { until: '1d' });
    t.regex(page.text, /It replaces what you gave/);
    t.regex(page.text, /No longer:<\/strong> <s>Change orders/);
    t.regex(page.text, /Until:<\/strong> [^<]* UTC, instead of [^<]* UTC/);
    t.regex(page.text, /what the agent holds of it ends at once/);
    t.is((await find(world, id))?.version, 1, 'a page changes nothing');
    t.is((await world.visitor.submit(GIVE)).location, `/me?given=${id}`);
    t.like(await find(world, id), { version: 2, epoch: 1, scopes: ['read'] });
  },
);

onEachStore(
  'I6: what is ended in another window is not brought back by a page from before, and the person sees it anew',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { visitor } = world;
    const id = await give(world, ['read']);
    t.is((await review(world, ['read', 'write'])).status, 200);
    const seen = visitor.hiddenFields(GIVE);
    await endBy(await another(t, world, env), world, id);
    const answer = await visitor.submit(GIVE);
    t.is(answer.status, 409, answer.text);
    t.regex(answer.text, /What stood here was ended or changed meanwhile, so nothing was given/);
    t.deepEqual(
      (await all(world)).map(each => [each.id, each.status]),
      [[id, 'ended']],
    );
    t.is((await visitor.send(GIVE, seen, { Origin: world.app.issuer })).status, 409, 'however often');
    // The page that came is one that says it gives, not that it replaces.
    t.false(/It replaces/.test(answer.text));
    await visitor.get(formOf(world));
    const next = await give(world, ['read']);
    t.not(next, id);
  },
);

onEachStore(
  'I6: an end that comes while the same is given again wins, from another process',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor } = world;
    const id = await give(world, ['read']);
    await review(world, ['read', 'write']);
    const other = await another(t, world, env);
    const isGive = (change: { readonly kind: string; readonly collection?: string }): boolean =>
      change.kind === 'replace' && change.collection === 'delegation';
    const hasEnded = justBefore(app.store, isGive, () => endBy(other, world, id));
    const answer = await visitor.submit(GIVE);
    t.true(hasEnded());
    t.is(answer.status, 409, answer.text);
    t.deepEqual(
      (await all(world)).map(each => each.status),
      ['ended'],
    );
  },
);

onEachStore(
  'I6: a give whose session ended while it was sent gives nothing, and leads to sign-in',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor, ada } = world;
    await review(world, ['read']);
    const other = await another(t, world, env);
    const hasEnded = justBefore(
      app.store,
      change => change.kind === 'insert' && change.collection === 'delegation',
      () =>
        other.store.commit({
          changes: [{ kind: 'end-passes', passKind: 'session', personId: ada.person.id }],
          events: [],
        }),
    );
    const answer = await visitor.submit(GIVE);
    t.true(hasEnded());
    t.is(answer.location, '/sign-in', answer.text);
    t.deepEqual(await all(world), []);
  },
);

whateverTheStore('I3: nobody ends what another gave, and unknown and foreign look alike', async (t, env) => {
  const world = await startWorld(t, env);
  const id = await give(world);
  const eve = new Visitor(world.app);
  await enrol(world.app, eve, ['admin'], 'Eve');
  await eve.get('/me');
  const session = eve.cookies.get('countersign-session') ?? '';
  const answers = await Promise.all(
    [id, `dlg_${'0'.repeat(32)}`, 'dlg_'].map(async each => {
      const path = endPath(each);
      const { status, text } = await eve.submit(path, { request_token: requestToken(session, path) });
      return { status, text: text.replaceAll(/err_[\w-]+/g, 'REF') };
    }),
  );
  t.is(answers[0]?.status, 404);
  t.deepEqual(answers[1], answers[0]);
  t.deepEqual(answers[2], answers[0]);
  t.is((await find(world, id))?.status, 'active');
  const seesIt = async (): Promise<boolean> =>
    (await eve.get(`/me?ended=${id}&given=${id}`)).text.includes('Order helper');
  t.false(await seesIt());
  await world.visitor.get('/me');
  await world.visitor.submit(endPath(id));
  t.false(await seesIt());
});

whateverTheStore(
  'R116: to give needs a second factor of the last five minutes; to end never does',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, time, visitor, ada } = world;
    const id = await give(world, ['read']);
    await review(world, ['read', 'write'], { until: 'date', date: dayIn(app, 3) });
    time.pass(6 * 60_000);
    const before = await find(world, id);
    const asked = await visitor.submit(GIVE);
    t.regex(asked.location ?? '', /^\/step-up\?next=%2Fme%2Fdelegations%2Fnew%3F/);
    t.deepEqual(await find(world, id), before);
    for (const path of [formOf(world), formOf(world, '&scope=read%20write')]) {
      t.regex((await visitor.get(path)).location ?? '', /^\/step-up\?next=/, path);
    }
    await visitor.get('/me');
    const session = visitor.cookies.get('countersign-session') ?? '';
    const reviewed = await visitor.submit(REVIEW, {
      request_token: requestToken(session, REVIEW),
      agent: world.agent.id,
      resource: world.resource.identifier,
      'scope:read': 'yes',
    });
    t.regex(reviewed.location ?? '', /^\/step-up\?next=/);

    // They come back to what they had chosen.
    await visitor.get(asked.location ?? '');
    const back = await visitor.submit('/step-up', { code: codeOf(ada.seed, app.now()) });
    const form = await visitor.get(back.location ?? '');
    t.regex(form.text, /name="scope:write" value="yes" checked/);
    t.regex(form.text, new RegExp(`name="date"[^>]* value="${dayIn(app, 3)}"`));
    t.regex(form.text, /name="until" value="date" checked/);

    time.pass(6 * 60_000);
    await visitor.get('/me');
    t.is((await visitor.submit(endPath(id))).location, `/me?ended=${id}`);
  },
);

const dayIn = (app: App, days: number): string =>
  new Date(app.now() + days * 86_400_000).toISOString().slice(0, 10);

test('what cannot be given is refused at its field, says what can, and gives nothing', async t => {
  const world = await startWorld(t, {});
  const { app, visitor, agent, resource } = world;
  const wrongAt = async (field: string, status: number, answer: Shown, what: string): Promise<void> => {
    t.is(answer.status, status, what);
    t.regex(answer.text, new RegExp(`aria-describedby="[^"]*\\b${field}-problem"`), what);
    t.regex(answer.text, new RegExp(`id="${field}-problem" role="alert">\\S`), what);
  };
  await wrongAt('scopes', 400, await review(world, []), 'nothing chosen');
  await wrongAt('scopes', 400, await review(world, ['delete']), 'of high risk, whatever is sent');
  await wrongAt('scopes', 400, await review(world, ['no-such']), 'unknown');
  const untils: readonly Record<string, string>[] = [
    {},
    { until: 'for-ever' },
    { until: 'date' },
    { until: 'date', date: '2026-02-30' },
    { until: 'date', date: 'tomorrow' },
    { until: '7d', date: dayIn(app, 2) },
  ];
  for (const fields of untils) {
    const answer = await review(world, ['read'], fields);
    await wrongAt('until', 400, answer, JSON.stringify(fields));
    t.regex(answer.text, /name="scope:read" value="yes" checked/, 'what was chosen stays');
  }
  for (const days of [-1, 91]) {
    const answer = await review(world, ['read'], { until: 'date', date: dayIn(app, days) });
    await wrongAt('until', 400, answer, `${days} days ahead`);
  }
  t.is((await review(world, ['read'], { until: 'date', date: dayIn(app, 89) })).status, 200);

  // Whatever the last form is made to say.
  const sendAs = async (fields: Record<string, string>): Promise<Shown> => {
    await review(world, ['read']);
    return visitor.submit(GIVE, fields);
  };
  await wrongAt('scopes', 409, await sendAs({ scope: 'read delete' }), 'of high risk');
  await wrongAt('scopes', 400, await sendAs({ scope: 'read no-such' }), 'unknown');
  await wrongAt('until', 400, await sendAs({ expires_at: '2099-01-01T00:00:00Z' }), 'for ever');
  t.is((await sendAs({ expires_at: 'soon' })).status, 400);
  t.is((await sendAs({ expires_at: '' })).status, 400, 'no end is no choice');
  t.is((await sendAs({ scope: '' })).status, 400);

  // Whom, and where.
  const narrow = await addAgent(app, await addPerson(app), resource);
  await review(world, ['read']);
  await wrongAt('scopes', 409, await sendAs({ agent: narrow.id, scope: 'delete' }), 'beyond the envelope');
  const unregistered = `agt_${'0'.repeat(32)}`;
  for (const id of [
    'nobody',
    unregistered,
    `${app.issuer}/elsewhere?agent=${agent.id}`,
    `https://evil.example/me/delegations/new?agent=${agent.id}`,
  ]) {
    const answer = await visitor.get(`/me/delegations/new?agent=${encodeURIComponent(id)}`);
    await wrongAt('agent', 404, answer, id);
    t.regex(answer.text, /There is no such agent/);
  }
  const application = await addAgent(app, await addPerson(app), resource, {
    application: { redirectUris: ['https://app.example/callback'] },
  });
  await wrongAt(
    'agent',
    409,
    await visitor.get(`/me/delegations/new?agent=${application.id}`),
    'application',
  );
  await killAgent({ agents: app.store, freshness: app.store }, narrow.id, app.origin());
  await wrongAt('agent', 409, await visitor.get(`/me/delegations/new?agent=${narrow.id}`), 'stopped');
  await wrongAt('agent', 409, await sendAs({ agent: narrow.id }), 'stopped meanwhile');
  const elsewhere = await visitor.get(formOf(world, '&resource=https%3A%2F%2Felsewhere.example'));
  t.is(elsewhere.status, 404);
  t.regex(elsewhere.text, /It cannot act for you there/);
  t.deepEqual(await all(world), []);
});

test('what is of high risk is shown with why it cannot be given, and has no box', async t => {
  const world = await startWorld(t, {});
  const { text } = await world.visitor.get(formOf(world, '&scope=delete%20read'));
  t.regex(text, /Delete orders<span[^>]*>Needs your approval each time, and cannot be given/);
  t.false(text.includes('scope:delete'));
  t.regex(text, /name="scope:read" value="yes" checked/, 'what the link asks for is proposed');
  t.false(/name="scope:write" value="yes" checked/.test(text));
});

test('the link of an operator leads through sign-in to the form, pasted or opened, and nowhere else', async t => {
  const world = await startWorld(t, {});
  const { app, time, ada, agent, visitor } = world;
  const path = formOf(world, '&scope=read%20write');
  const pasted = await visitor.get(
    `/me/delegations/new?${new URLSearchParams({ agent: ` ${app.issuer}${path} ` })}`,
  );
  t.is(pasted.location, formOf(world, '&scope=read+write'));
  time.pass(60_000);
  const other = new Visitor(app);
  const first = await other.get(path);
  const next = new URL(first.location ?? '', app.issuer).searchParams.get('next') ?? '';
  t.is(next, formOf(world, '&scope=read+write'));
  t.is((await other.signIn(ada.email, ada.seed, app.now(), next)).location, next);
  t.is((await other.get(next)).status, 200);
  for (const evil of [
    `/me/delegations/new?agent=${agent.id}\r\nX: y`,
    '/me/delegations/newer',
    '/me/delegations/new?x=//evil.example',
  ]) {
    time.pass(60_000);
    t.is((await other.signIn(ada.email, ada.seed, app.now(), evil)).location, '/me', evil);
  }
});

test('R116: a give or an end of another site, without a token or with that of another form changes nothing', async t => {
  const world = await startWorld(t, {});
  const { app, visitor } = world;
  const id = await give(world);
  const own = { Origin: app.issuer, 'Sec-Fetch-Site': 'same-origin' };
  await visitor.get('/me');
  const end = visitor.hiddenFields(endPath(id));
  const signOut = visitor.hiddenFields('/sign-out');
  await review(world, ['read', 'write']);
  const fields = visitor.hiddenFields(GIVE);
  const before = await all(world);
  for (const [path, good] of [
    [GIVE, fields],
    [endPath(id), end],
    [REVIEW, { ...fields, 'scope:read': 'yes' }],
  ] as const) {
    t.is((await visitor.send(path, good, { ...own, Origin: 'https://evil.example' })).status, 403, path);
    t.is((await visitor.send(path, { ...good, request_token: '' }, own)).status, 403, path);
    t.is((await visitor.send(path, { ...good, ...signOut }, own)).status, 403, path);
  }
  t.deepEqual(await all(world), before);
  t.is((await visitor.get(endPath(id))).status, 405, 'an address changes nothing');
  t.is((await visitor.send(GIVE, fields, own)).status, 303);
});

test('I18: while the clock is too far ahead nothing is given, and what was given can be ended', async t => {
  const time = movableTime();
  const app = await startApp(t, { time, databaseTime: time.actual });
  const visitor = new Visitor(app);
  const ada = await enrol(app, visitor);
  const resource = await addResource(app);
  const agent = await addAgent(app, ada.person, resource);
  const world = { app, time: heldClock(), visitor, ada, agent, resource };
  const id = await give(world, ['read']);
  const before = await all(world);
  await review(world, ['read', 'write']);
  const fields = visitor.hiddenFields(GIVE);
  time.setBy(-3_600_000);
  const answer = await visitor.send(GIVE, fields, { Origin: app.issuer });
  t.is(answer.status, 503, answer.text);
  t.deepEqual(await all(world), before);
  t.like((await app.trail()).at(-1), {
    type: 'delegation.give-refused',
    reason: 'clock-ahead',
    target: agent.id,
  });
  await visitor.get('/me');
  t.is((await visitor.submit(endPath(id))).location, `/me?ended=${id}`);
});

test('each of 100 scopes can be chosen, and the page lists every one that stands', async t => {
  const world = await startWorld(t, {});
  const { app, ada, visitor } = world;
  const names = Array.from({ length: 100 }, (_, index) => `part:${index}`);
  const wide = await addResource(app, {
    scopes: names.map(name => ({ name, sentence: `See ${name}`, risk: 'low' })),
  });
  const agent = await addAgent(app, ada.person, wide, {
    envelope: [{ resource: wide.identifier, scopes: names }],
    baseline: [],
  });
  const page = await review({ ...world, agent }, names);
  t.is(page.status, 200, page.text);
  const { location } = await visitor.submit(GIVE);
  t.deepEqual((await find(world, location?.split('=')[1] ?? ''))?.scopes.toSorted(), names.toSorted());
});

whateverTheStore(
  'the list tells what cannot be done any more, what waits, and what ended when and by whom',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, time, visitor, ada, resource } = world;
    const { store } = app;
    const owner = await addPerson(app, 'Bob');
    const [stopped, ended, short] = [
      await addAgent(app, owner, resource, { name: 'Stopped one' }),
      await addAgent(app, owner, resource, { name: 'Ended by the office' }),
      await addAgent(app, owner, resource, { name: 'Ran out' }),
    ];
    await give({ ...world, agent: stopped });
    const endedId = await give({ ...world, agent: ended });
    await review({ ...world, agent: short }, ['read'], { until: '1d' });
    await visitor.submit(GIVE);
    await give(world, ['read', 'write']);
    await updateAgent(
      { agents: store, people: store, resources: store, freshness: store },
      world.agent.id,
      '*',
      { envelope: [{ resource: resource.identifier, scopes: ['read'] }] },
      app.origin(),
    );
    await killAgent({ agents: store, freshness: store }, stopped.id, app.origin());
    await endDelegation({ delegations: store, freshness: store }, endedId, app.origin());
    time.pass(2 * 86_400_000);
    await visitor.signIn(ada.email, ada.seed, app.now());
    const { text } = await visitor.get('/me');
    const panelOf = (name: string): string =>
      text.split('<li class="panel"').find(each => each.includes(`<h3>${name}</h3>`)) ?? '';
    t.regex(
      panelOf('Order helper'),
      /<dd><ul><li>Read orders<\/li><\/ul><\/dd>[\s\S]*No longer[\s\S]*<s>Change orders/,
    );
    t.regex(
      panelOf('Stopped one'),
      /data-status="suspended"[\s\S]*nothing can be done for you now[\s\S]*\/end"/,
    );
    t.regex(text, /Ended by the office[\s\S]{1,200}Ended [^<]* by the administration/);
    t.regex(text, /Ran out <span[\s\S]{1,200}Ran out [^<]* UTC/);
    t.is(panelOf('Ran out'), '');
  },
);
