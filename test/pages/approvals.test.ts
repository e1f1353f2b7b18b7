/** What a person decides about agents that ask for more, over HTTP, on every store. */
import test, { type ExecutionContext } from 'ava';
import { killAgent, restoreAgent } from '../../src/agents/index.ts';
import { endDelegation } from '../../src/delegation/index.ts';
import { cancelElevation, type ElevationStatus } from '../../src/elevation/index.ts';
import { killPerson, requestToken } from '../../src/people/index.ts';
import { updateResource } from '../../src/resources/index.ts';
import {
  type Asked,
  type AskOptions,
  askForMore,
  fetchApproved,
  letAct,
  totpOf,
} from '../support/elevations.ts';
import { hostileReason } from '../support/hostile-reasons.ts';
import { justBefore } from '../support/just-before.ts';
import { openCaller } from '../support/server-process.ts';
import {
  type App,
  addAgent,
  addResource,
  type HeldClock,
  heldClock,
  introspect,
  startApp,
  startAppIn,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';
import { type Enrolled, enrol, type Send, type Shown, Visitor } from '../support/visitor.ts';

const STEP_MS = 30_000;
/** A time of which a step of the codes begins. */
const START = Math.ceil(Date.now() / STEP_MS) * STEP_MS;

interface World {
  readonly app: App;
  readonly env: StoreEnv;
  readonly time: HeldClock;
  readonly visitor: Visitor;
  readonly ada: Enrolled;
  readonly agent: TestAgent;
  readonly resource: TestResource;
}

/** Ada, signed in, whose app shows a code that she has not used; her agent may read, and write and delete when she approves. */
async function startWorld(t: ExecutionContext, env: StoreEnv): Promise<World> {
  const time = heldClock(START);
  const app = await startApp(t, { clock: time, env });
  const visitor = new Visitor(app);
  const ada = await enrol(app, visitor);
  time.pass(2 * STEP_MS);
  const resource = await addResource(app, { name: 'Orders' });
  const agent = await addAgent(app, ada.person, resource, {
    name: 'Order helper',
    envelope: [{ resource: resource.identifier, scopes: ['read', 'write', 'delete'] }],
  });
  return { app, env, time, visitor, ada, agent, resource };
}

const ask = ({ app, agent, resource }: World, options?: AskOptions): Promise<Asked> =>
  askForMore(app, agent, resource, options);
const codeNow = ({ app, ada }: World): string => totpOf(ada.seed, app.now());
const cardOf = ({ elevation }: Asked): string => `/approvals/${elevation.id}`;
const find = async ({ app }: World, { elevation }: Asked) => {
  await app.store.fresh();
  const found = await app.store.findElevation(elevation.id);
  if (!found) throw new Error('there is no such elevation');
  return found;
};
const statusOf = async (world: World, asked: Asked): Promise<ElevationStatus> =>
  (await find(world, asked)).status;
/** The text of a page, as it is read. */
const read = ({ text }: Pick<Shown, 'text'>): string =>
  text
    .replaceAll(/<(?:script|style|title)[\s\S]*?<\/(?:script|style|title)>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('&#39;', '’');

async function approve(
  world: World,
  asked: Asked,
  { code = codeNow(world), visitor = world.visitor }: { code?: string; visitor?: Visitor } = {},
): Promise<Shown> {
  await visitor.get(cardOf(asked));
  return visitor.submit(`${cardOf(asked)}/approve`, { code });
}

/** One press. */
async function deny(world: World, asked: Asked, visitor = world.visitor): Promise<Shown> {
  await visitor.get(cardOf(asked));
  return visitor.submit(`${cardOf(asked)}/deny`, { reason: 'not-now' });
}

/** Another process on the same store, behind the same name, as a proxy would have it. */
interface OtherProcess {
  readonly app: App;
  readonly send: Send;
}

async function another(t: ExecutionContext, { app, env }: World): Promise<OtherProcess> {
  const other = await startAppIn(app.directory, {
    clock: app.now,
    env: { ...env, COUNTERSIGN_ISSUER: app.issuer },
  });
  const caller = openCaller(Number(new URL(other.base).port), app.issuer);
  t.teardown(async () => {
    caller.close();
    await other.stop();
  });
  const send: Send = (method, url, headers, body) =>
    caller.call(method, url.slice(app.base.length), { headers, ...(body !== undefined && { body }) });
  return { app: other, send };
}

/** The same person in a second browser, at another process. Takes a code. */
async function secondSession({ app, ada, time }: World, other: OtherProcess): Promise<Visitor> {
  const visitor = new Visitor(app, other.send);
  time.pass(STEP_MS);
  await visitor.signIn(ada.email, ada.seed, app.now());
  time.pass(STEP_MS);
  return visitor;
}

/** The same browser, that sends to another process. */
function through({ app }: World, other: OtherProcess, { cookies }: Visitor): Visitor {
  const visitor = new Visitor(app, other.send);
  for (const [name, value] of cookies) visitor.cookies.set(name, value);
  return visitor;
}

whateverTheStore(
  'R078, R076: the card says who asks what, where, for how long and why; a code approves exactly that, once',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor, ada, agent, resource } = world;
    t.regex(read(await visitor.get('/me')), /Nothing waits for you\./);
    const delegation = await letAct(app, ada.person, agent, resource);
    const asked = await ask(world, {
      delegation,
      scope: 'read delete',
      duration: '120',
      reason: 'Ticket 4711',
    });
    t.regex(read(await visitor.get('/me')), /One request waits for you\./);
    t.regex((await visitor.get('/me')).text, /href="\/approvals"/);
    const inbox = await visitor.get('/approvals');
    t.regex(
      inbox.text,
      new RegExp(`<a href="${cardOf(asked)}">Order helper wants to do this for you at Orders`),
    );
    t.regex(read(inbox), /for 2 minutes: Delete orders High risk Decide by/);

    const card = await visitor.get(cardOf(asked));
    t.is(card.status, 200);
    const text = read(card);
    for (const said of [
      'Order helper wants to do this for you at Orders, for 2 minutes: Delete orders high risk',
      `Agent Order helper ${agent.id}`,
      `Who answers for it You, Ada ${ada.person.id}`,
      `For whom You, Ada You let it act for you until`,
      `Where Orders ${resource.identifier}`,
      'How long 2 minutes from your approval',
      'Delete orders delete · high risk No + Yes, new',
      'Read orders read · low risk Yes Yes',
      'Why, in the agent’s own words Nobody has checked them. Ticket 4711',
      asked.elevation.bindingCode,
      'Decide by',
    ]) {
      t.true(text.includes(said), said);
    }
    const approved = await visitor.submit(`${cardOf(asked)}/approve`, { code: codeNow(world) });
    t.is(approved.status, 303, approved.text);
    t.is(approved.location, cardOf(asked));
    const record = await find(world, asked);
    t.like(record, { status: 'approved', approval: { by: ada.person.id, expiresAt: app.now() + 120_000 } });
    t.regex(card.text, new RegExp(record.approval?.digest ?? '-'));
    t.regex(read(await visitor.get(cardOf(asked))), /Approved, not fetched yet You approved this/);

    const token = await fetchApproved(app, asked);
    t.is(token.scope, 'read delete');
    const live = await introspect(app, resource, token.access_token);
    t.like(live.json, {
      active: true,
      approval: { id: asked.elevation.id, digest: record.approval?.digest },
    });
    t.regex(read(await visitor.get('/approvals')), /Running now Order helper: Delete orders/);
    world.time.pass(120_000);
    t.like((await introspect(app, resource, token.access_token)).json, { active: false });
    const after = read(await visitor.get('/approvals'));
    t.notRegex(after, /Running now/);
    t.regex(after, /Order helper: Delete orders at Orders You approved this [^.]*\. It ended/);
    t.deepEqual(
      (await app.trail())
        .filter(({ type, target }) => type.startsWith('elevation.') && target === asked.elevation.id)
        .map(({ type }) => type)
        .slice(0, 4),
      ['elevation.asked', 'elevation.displayed', 'elevation.approved', 'elevation.redeemed'],
    );
  },
);

whateverTheStore(
  'R074: to approve takes a form, its token, the session of whoever may, and a new code; with one missing nothing is changed',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor } = world;
    const asked = await ask(world);
    const path = `${cardOf(asked)}/approve`;
    const eve = new Visitor(app);
    const { seed } = await enrol(app, eve, ['admin'], 'Eve');
    world.time.pass(STEP_MS);
    await eve.get('/me');
    await visitor.get(cardOf(asked));
    const { request_token: token = '', digest = '' } = visitor.hiddenFields(path);
    t.regex(digest, /^[\w-]{43}$/);
    const code = codeNow(world);
    const own = { Origin: app.issuer, 'Sec-Fetch-Site': 'same-origin' };
    const all = { request_token: token, digest, code };
    const attempts: readonly (readonly [string, number, () => Promise<Shown>])[] = [
      ['an address', 405, () => visitor.get(`${path}?${new URLSearchParams(all)}`)],
      ['no token', 403, () => visitor.send(path, { digest, code }, own)],
      ['another origin', 403, () => visitor.send(path, all, { ...own, Origin: 'https://evil.example' })],
      ['no origin', 403, () => visitor.send(path, all, {})],
      ['no session', 303, () => new Visitor(app).send(path, all, own)],
      [
        'somebody else, with a code of their own',
        404,
        () =>
          eve.send(
            path,
            {
              ...all,
              code: totpOf(seed, app.now()),
              request_token: requestToken(eve.cookies.get('countersign-session') ?? '', path),
            },
            own,
          ),
      ],
      [
        'the token of the denial',
        403,
        async () => {
          const other = visitor.hiddenFields(`${cardOf(asked)}/deny`)['request_token'] ?? '';
          return visitor.send(path, { ...all, request_token: other }, own);
        },
      ],
      ['no code', 401, () => visitor.send(path, { request_token: token, digest }, own)],
      ['a used code', 401, () => visitor.send(path, { ...all, code: totpOf(world.ada.seed, START) }, own)],
    ];
    for (const [what, status, attempt] of attempts) {
      t.is((await attempt()).status, status, what);
      t.like(await find(world, asked), { status: 'pending', version: 1 }, what);
    }
    for (const address of [cardOf(asked), '/approvals', '/me']) await visitor.get(address);
    t.like(await find(world, asked), { status: 'pending', version: 1 }, 'R074: to look changes nothing');
    t.is((await visitor.send(path, all, own)).status, 303, 'with all of it, it is approved');
    const refused = (await app.trail()).filter(({ type }) => type === 'elevation.decide-refused');
    t.like(refused[0], { target: asked.elevation.id, reason: 'elevation-not-yours' });
  },
);

onEachStore(
  'R090, I1: one code that is sent to twenty approvals at once, at two processes, approves one',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { visitor } = world;
    const asked = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ask(world, { duration: String(60 + index) })),
    );
    const other = through(world, await another(t, world), visitor);
    const forms: { readonly path: string; readonly fields: Record<string, string>; readonly at: Visitor }[] =
      [];
    for (const [index, each] of asked.entries()) {
      const path = `${cardOf(each)}/approve`;
      await visitor.get(cardOf(each));
      forms.push({ path, fields: visitor.hiddenFields(path), at: index % 2 === 0 ? visitor : other });
    }
    const code = codeNow(world);
    const own = { Origin: world.app.issuer, 'Sec-Fetch-Site': 'same-origin' };
    const answers = await Promise.all(
      forms.map(({ path, fields, at }) => at.send(path, { ...fields, code }, own)),
    );
    t.deepEqual(answers.map(({ status }) => status).toSorted(), [
      303,
      ...Array.from({ length: 19 }, () => 401),
    ]);
    const statuses = await Promise.all(asked.map(each => statusOf(world, each)));
    t.is(statuses.filter(each => each === 'approved').length, 1);
    t.is(statuses.filter(each => each === 'pending').length, 19);
  },
);

whateverTheStore(
  'R090: the code of the sign-in approves nothing, nor in the step after it; the card says from when the next one can be used',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, ada, time } = world;
    const visitor = new Visitor(app);
    const code = codeNow(world);
    await visitor.signIn(ada.email, ada.seed, app.now());
    const asked = await ask(world);
    const next = new Date(app.now() + STEP_MS);
    const clock = `${next.toISOString().slice(11, 19)} UTC`;
    const told = `The code that your app shows is used. The next one comes at ${clock}.`.replaceAll(
      /\s/gu,
      ' ',
    );
    t.true(
      read(await visitor.get(cardOf(asked)))
        .replaceAll(/\s/gu, ' ')
        .includes(told),
      told,
    );
    const refused = await approve(world, asked, { code, visitor });
    t.is(refused.status, 401);
    t.regex(refused.text, /aria-describedby="code-problem [^"]*" aria-invalid="true"/);
    t.regex(refused.text, /id="code-problem" role="alert">This was not accepted/);
    t.true(read(refused).includes('Order helper wants to do this'), 'the card stays');
    time.pass(STEP_MS);
    t.is((await approve(world, asked, { code, visitor })).status, 401, 'in the step after it');
    t.is(await statusOf(world, asked), 'pending');
    t.notRegex(read(await visitor.get(cardOf(asked))), /your app shows is used/);
    t.is((await approve(world, asked, { visitor })).status, 303);
    // One that the phone shows early uses up what comes before it too.
    const more = await ask(world, { scope: 'read delete' });
    time.pass(STEP_MS);
    t.is((await approve(world, more, { code: totpOf(ada.seed, app.now() + STEP_MS), visitor })).status, 303);
    const last = await ask(world, { duration: '60' });
    t.regex((await visitor.get(cardOf(last))).text, new RegExp(`data-wait="${2 * STEP_MS}"`));
  },
);

onEachStore(
  'R091: five wrong codes lock approving, in every process, with the same answer for the right one; to deny and to end is never locked',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor, time, ada } = world;
    const running = await ask(world, { scope: 'read delete' });
    t.is((await approve(world, running)).status, 303);
    time.pass(STEP_MS);
    const asked = await ask(world);
    const wrong = codeNow(world) === '000000' ? '000001' : '000000';
    for (let tries = 0; tries < 5; tries += 1) {
      const answer = await approve(world, asked, { code: wrong });
      t.is(answer.status, 401);
      t.is(/none is accepted until/.test(answer.text), tries === 4, `${tries}`);
    }
    const until = new Date(app.now() + 900_000).toISOString();
    t.is(
      (await app.trail()).findLast(({ type }) => type === 'person.factor-locked')?.detail?.['until'],
      until,
    );
    time.pass(STEP_MS);
    const answers: string[] = [];
    for (const at of [visitor, through(world, await another(t, world), visitor)]) {
      for (const code of [codeNow(world), wrong]) {
        const answer = await approve(world, asked, { code, visitor: at });
        t.is(answer.status, 401);
        answers.push(answer.text);
      }
    }
    t.is(new Set(answers).size, 1, 'right or wrong, here or there: the same bytes');
    t.is(await statusOf(world, asked), 'pending');
    t.regex(read(await visitor.get(cardOf(asked))), /none is accepted until [^.]*\. You can still deny\./);
    t.is((await deny(world, asked)).status, 303);
    t.is(await statusOf(world, asked), 'denied');
    await visitor.get('/approvals');
    const ended = await visitor.submit(`${cardOf(running)}/end`);
    t.is(ended.location, `/approvals?ended=${running.elevation.id}`);
    t.is(await statusOf(world, running), 'revoked');
    t.regex(read(await visitor.get(ended.location ?? '')), /Order helper may no longer do that at Orders\./);
    time.pass(870_000);
    const later = await ask(world, { duration: '60' });
    const again = new Visitor(app);
    t.is((await again.signIn(ada.email, ada.seed, app.now())).location, '/me', 'it is over after that');
    time.pass(STEP_MS);
    t.is((await approve(world, later, { visitor: again })).status, 303);
  },
);

whateverTheStore(
  'R092, R093, R094: a recovery code approves nothing; another app ends what waited for the old one; a session that ends while it is sent approves nothing',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor, ada, time } = world;
    await visitor.get('/me');
    const codes = await visitor.submit('/me/recovery-codes');
    const [, recovery = ''] = /<li><code>([^<]+)</.exec(codes.text) ?? [];
    t.regex(recovery, /\w{4}/);
    const asked = await ask(world);
    t.is((await approve(world, asked, { code: recovery })).status, 401);
    await visitor.get(cardOf(asked));
    const asField = await visitor.submit(`${cardOf(asked)}/approve`, { recovery_code: recovery });
    t.is(asField.status, 401);
    t.is(await statusOf(world, asked), 'pending');

    await visitor.get(cardOf(asked));
    const hasEnded = justBefore(
      app.store,
      change => change.kind === 'replace' && change.collection === 'elevation',
      async () => {
        const { app: other } = await another(t, world);
        await other.store.commit({
          changes: [{ kind: 'end-passes', passKind: 'session', personId: ada.person.id }],
          events: [],
        });
      },
    );
    const sent = await visitor.submit(`${cardOf(asked)}/approve`, { code: codeNow(world) });
    t.true(hasEnded());
    t.is(sent.location, `/sign-in?next=${encodeURIComponent(cardOf(asked))}`, sent.text);
    t.is(await statusOf(world, asked), 'pending');

    // The code was not used up by it.
    const signedIn = await visitor.signIn(ada.email, ada.seed, app.now(), cardOf(asked));
    t.is(signedIn.location, cardOf(asked), 'back to the card');
    time.pass(STEP_MS);
    await visitor.get('/me');
    const { text } = await visitor.submit('/me/app');
    const seed = (/class="secret">([^<]+)</.exec(text)?.[1] ?? '').replaceAll(' ', '');
    t.is(
      (await visitor.submit('/me/app/finish', { code: totpOf(seed, app.now()) })).location,
      '/me?done=totp-changed',
    );
    const again = new Visitor(app);
    time.pass(STEP_MS);
    await again.signIn(ada.email, seed, app.now(), cardOf(asked));
    const card = read(await again.get(cardOf(asked)));
    t.regex(card, /Cancelled Something that the request rested on has ended/);
    t.notRegex(card, /Code from your authenticator app/);
  },
);

onEachStore(
  'I6: deny beats approve: one that comes from another process while it is approved wins, and the code is not used up',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor } = world;
    const asked = await ask(world);
    const other = through(world, await another(t, world), visitor);
    await visitor.get(cardOf(asked));
    const hasDenied = justBefore(
      app.store,
      change => change.kind === 'replace' && change.collection === 'elevation',
      () => deny(world, asked, other),
    );
    const answer = await visitor.submit(`${cardOf(asked)}/approve`, { code: codeNow(world) });
    t.true(hasDenied());
    t.is(answer.status, 409);
    t.regex(read(answer), /This has been denied\. Nothing was changed now\./);
    t.regex(read(answer), /Denied You denied this [^:]*:\d\d:\d\d UTC: “Not now”/);
    t.like(await find(world, asked), { status: 'denied', denial: { reason: 'not-now' } });
    t.is((await approve(world, await ask(world))).status, 303, 'the code is good for another');
  },
);

onEachStore(
  'I6, I1: of two sessions the second decides on what is there: it approves nothing twice, and its denial takes back what was approved',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor, resource } = world;
    const other = await secondSession(world, await another(t, world));
    const asked = await ask(world);
    await other.get(cardOf(asked));
    const fromBefore = other.hiddenFields(`${cardOf(asked)}/approve`);
    t.is((await approve(world, asked)).status, 303);
    const token = await fetchApproved(app, asked);
    world.time.pass(STEP_MS);
    const code = codeNow(world);
    const own = { Origin: app.issuer, 'Sec-Fetch-Site': 'same-origin' };
    const twice = await other.send(`${cardOf(asked)}/approve`, { ...fromBefore, code }, own);
    t.is(twice.status, 409);
    t.regex(read(twice), /approved meanwhile, and the agent has it/);
    t.true((await introspect(app, resource, token.access_token)).json.active);
    const denied = await other.submit(`${cardOf(asked)}/deny`, {
      request_token: requestToken(other.cookies.get('countersign-session') ?? '', `${cardOf(asked)}/deny`),
    });
    t.is(denied.status, 303);
    t.false((await introspect(app, resource, token.access_token)).json.active, 'its token is dead');
    t.regex(read(await visitor.get(cardOf(asked))), /Taken back You approved this, and took it back/);
    const third = await visitor.send(
      `${cardOf(asked)}/deny`,
      {
        request_token: requestToken(
          visitor.cookies.get('countersign-session') ?? '',
          `${cardOf(asked)}/deny`,
        ),
      },
      own,
    );
    t.is(third.status, 409, 'final is final');
    t.is(
      (await approve(world, await ask(world, { duration: '60' }), { code })).status,
      303,
      'no code was used up',
    );
  },
);

whateverTheStore(
  'R077, I4: what changes after it was shown is not approved: 409, the request is cancelled, and the page says so',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor, resource } = world;
    const asked = await ask(world);
    await visitor.get(cardOf(asked));
    await updateResource(
      { resources: app.store, freshness: app.store },
      resource.id,
      '*',
      {
        scopes: resource.scopes.map(scope =>
          scope.name === 'write' ? { ...scope, sentence: 'Change orders and prices' } : scope,
        ),
      },
      app.origin(),
    );
    const answer = await visitor.submit(`${cardOf(asked)}/approve`, { code: codeNow(world) });
    t.is(answer.status, 409, answer.text);
    t.regex(read(answer), /What you were shown is not what is there any more, so nothing was approved/);
    t.regex(read(answer), /Cancelled What was shown here changed/);
    t.like(await find(world, asked), { status: 'cancelled', cancelReason: 'changed' });
    const anew = await ask(world);
    await visitor.get(cardOf(anew));
    const forged = await visitor.submit(`${cardOf(anew)}/approve`, {
      code: codeNow(world),
      digest: 'x'.repeat(43),
    });
    t.is(forged.status, 409, 'whatever the form is made to say');
    const last = await ask(world);
    t.is((await approve(world, last)).status, 303, 'the code was not used up');
  },
);

whateverTheStore(
  'I3, I15: somebody else’s request looks like none, at every address, and nothing is changed by asking',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app } = world;
    const asked = await ask(world);
    const eve = new Visitor(app);
    await enrol(app, eve, ['admin'], 'Eve');
    await eve.get('/me');
    const session = eve.cookies.get('countersign-session') ?? '';
    const masked = ({ status, text }: Shown) => ({ status, text: text.replaceAll(/err_[\w-]+/g, 'REF') });
    const look = async (id: string) => {
      const fields = (path: string) => ({
        request_token: requestToken(session, path),
        digest: 'x'.repeat(43),
        code: '123456',
      });
      const answers = [masked(await eve.get(`/approvals/${id}`))];
      for (const act of ['approve', 'deny', 'end']) {
        const path = `/approvals/${id}/${act}`;
        answers.push(masked(await eve.submit(path, fields(path))));
      }
      return answers;
    };
    const foreign = await look(asked.elevation.id);
    t.deepEqual(
      foreign.map(({ status }) => status),
      [404, 404, 404, 404],
    );
    t.deepEqual(await look(`elv_${'0'.repeat(32)}`), foreign);
    t.deepEqual(await look('elv_'), foreign);
    t.like(await find(world, asked), { status: 'pending', version: 1 });
    t.false((await eve.get('/approvals')).text.includes('Order helper'));
  },
);

whateverTheStore(
  'what is over says so in words, waits for nobody, and cannot be approved',
  async (t, env) => {
    const world = await startWorld(t, env);
    const { app, visitor, ada, agent, resource, time } = world;
    const deps = {
      ...{ elevations: app.store, agents: app.store, people: app.store, resources: app.store },
      ...{ delegations: app.store, epochs: app.store.epochs, freshness: app.store },
      refusals: { note: async () => undefined },
    };
    const delegation = await letAct(app, ada.person, agent, resource);
    const ways: readonly (readonly [
      string,
      () => Promise<Asked>,
      (asked: Asked) => Promise<unknown>,
      number,
      RegExp,
    ])[] = [
      [
        'withdrawn',
        () => ask(world),
        ({ code }) => cancelElevation(deps, { clientId: agent.id, code, proofKey: undefined }, app.origin()),
        409,
        /Cancelled The agent has withdrawn its request/,
      ],
      [
        'its delegation ended',
        () => ask(world, { delegation }),
        () => endDelegation(deps, delegation.id, app.origin()),
        409,
        /Cancelled Something that the request rested on has ended/,
      ],
      [
        'its agent killed, and restored',
        () => ask(world, { duration: '60' }),
        async () => {
          await killAgent(deps, agent.id, app.origin());
          await restoreAgent(deps, agent.id, app.origin());
        },
        409,
        /Cancelled Something that the request rested on has ended/,
      ],
      [
        'too late',
        () => ask(world, { duration: '90' }),
        async () => time.pass(600_000),
        410,
        /Too late Nobody decided by/,
      ],
    ];
    for (const [what, begin, end, status, said] of ways) {
      const asked = await begin();
      const path = `${cardOf(asked)}/approve`;
      await visitor.get(cardOf(asked));
      const fields = visitor.hiddenFields(path);
      t.truthy(fields['digest'], what);
      await end(asked);
      const code = codeNow(world);
      const answer = await visitor.send(
        path,
        { ...fields, code },
        { Origin: app.issuer, 'Sec-Fetch-Site': 'same-origin' },
      );
      t.is(answer.status, status, what);
      t.regex(read(answer), said, what);
      const card = await visitor.get(cardOf(asked));
      t.is(card.status, 200);
      t.regex(read(card), said, what);
      t.notRegex(card.text, /\/(?:approve|deny|end)"/, what);
      const inbox = read(await visitor.get('/approvals'));
      t.regex(inbox, /Nothing waits for you\./, what);
      t.regex(inbox, new RegExp(said.source.replace(/^(?:Cancelled|Too late) /, '')), what);
    }
    // The agent gives its token up.
    const asked = await ask(world);
    await approve(world, asked);
    const { access_token: token } = await fetchApproved(app, asked);
    t.regex(read(await visitor.get('/approvals')), /Running now/);
    t.is((await app.post('/revoke', { token }, { basic: agent.basic })).status, 200);
    t.notRegex(read(await visitor.get('/approvals')), /Running now/);
    t.regex(
      read(await visitor.get(cardOf(asked))),
      /It is over: something that it rested on has ended, or the agent has given it up/,
    );
    time.pass(30 * 86_400_000);
    const later = new Visitor(app);
    await later.signIn(ada.email, ada.seed, app.now());
    t.notRegex(read(await later.get('/approvals')), /Decided, or over/, 'after thirty days');
  },
);

test('the inbox has what has the least time left first, and what runs; it is bounded, and says so', async t => {
  const world = await startWorld(t, {});
  const { visitor, time, app } = world;
  // Of one agent twenty wait at most.
  const agents = [world.agent];
  for (const name of ['Second', 'Third']) {
    agents.push(await addAgent(app, world.ada.person, world.resource, { name }));
  }
  const asked: Asked[] = [];
  for (let index = 0; index < 52; index += 1) {
    const agent = agents[index % agents.length] ?? world.agent;
    asked.push(await ask({ ...world, agent }, { duration: String(60 + index) }));
    time.pass(100);
  }
  const inbox = await visitor.get('/approvals');
  const ids = [...inbox.text.matchAll(/href="\/approvals\/(elv_\w+)"/g)].map(([, id]) => id);
  t.deepEqual(
    ids,
    asked.slice(0, 50).map(({ elevation }) => elevation.id),
  );
  t.regex(read(inbox), /52 requests wait for you\./);
  t.regex(read(inbox), /These 50 have the least time left\. More wait behind them\./);
  t.regex(read(await visitor.get('/me')), /52 requests wait for you\./);
  for (const each of asked) await deny(world, each);
  const after = read(await visitor.get('/approvals'));
  t.regex(after, /Nothing waits for you/);
  t.regex(after, /The newest 50 are shown\./);
});

test('a denial is one press, with or without a reason; any other reason is none', async t => {
  const world = await startWorld(t, {});
  const { visitor } = world;
  const plain = await ask(world);
  const card = await visitor.get(cardOf(plain));
  t.is(
    [...card.text.matchAll(/<button class="wide" form="deny" name="reason" value="not-now">Deny</g)].length,
    1,
  );
  t.is((await visitor.submit(`${cardOf(plain)}/deny`)).location, cardOf(plain));
  t.like(await find(world, plain), { status: 'denied', denial: { reason: 'not-now' } });
  for (const reason of ['not-expected', 'too-much', 'suspicious'] as const) {
    const asked = await ask(world);
    const { text } = await visitor.get(cardOf(asked));
    t.regex(text, new RegExp(`<button name="reason" value="${reason}">`));
    t.is((await visitor.submit(`${cardOf(asked)}/deny`, { reason })).status, 303);
    t.like(await find(world, asked), { status: 'denied', denial: { reason } });
  }
  const asked = await ask(world);
  await visitor.get(cardOf(asked));
  t.is((await visitor.submit(`${cardOf(asked)}/deny`, { reason: 'because I say so' })).status, 400);
  t.is(await statusOf(world, asked), 'pending');
});

test('whoever is not signed in comes to the card after they are, and to nowhere else', async t => {
  const world = await startWorld(t, {});
  const { app, ada, time } = world;
  const asked = await ask(world);
  const visitor = new Visitor(app);
  const sent = await visitor.get(cardOf(asked));
  t.is(sent.location, `/sign-in?next=${encodeURIComponent(cardOf(asked))}`);
  t.is((await visitor.signIn(ada.email, ada.seed, app.now(), cardOf(asked))).location, cardOf(asked));
  t.is((await visitor.get(cardOf(asked))).status, 200);
  for (const next of [
    `${cardOf(asked)}/approve`,
    `${cardOf(asked)}?x`,
    '/approvals/elv_1',
    '/approvals/../me',
    `//evil.example${cardOf(asked)}`,
  ]) {
    time.pass(STEP_MS);
    t.is((await new Visitor(app).signIn(ada.email, ada.seed, app.now(), next)).location, '/me', next);
  }
  const plain = new Visitor(app);
  time.pass(STEP_MS);
  t.is((await plain.signIn(ada.email, ada.seed, app.now(), '/approvals')).location, '/approvals');
});

test('R079, I17: whatever an agent says is inert, capped, and changes nothing of the card', async t => {
  const world = await startWorld(t, {});
  const { visitor } = world;
  const tagsOf = (text: string): readonly string[] =>
    [...text.matchAll(/<[^>]*>/g)].map(([tag]) =>
      tag.replaceAll(/(?:value|href|action|data-\w+)="[^"]*"/g, ''),
    );
  const calm = await ask(world, { reason: 'a calm reason', duration: '30' });
  const expected = tagsOf((await visitor.get(cardOf(calm))).text);
  await deny(world, calm);
  for (let seed = 1; seed <= 20; seed += 1) {
    const asked = await ask(world, { reason: hostileReason(seed), duration: '30' });
    const { text } = await visitor.get(cardOf(asked));
    const [, claim = ''] = /<p dir="auto">([\s\S]*?)<\/p><\/blockquote>/.exec(text) ?? [];
    t.deepEqual(tagsOf(text), expected, `seed ${seed}`);
    t.true(asked.elevation.reason.length <= 500 && claim.length > 0, `seed ${seed}`);
    t.notRegex(claim, /[<>"\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u, `seed ${seed}`);
    t.is((await deny(world, asked)).status, 303, `seed ${seed}`);
  }
});

test('I5: a person who is stopped approves nothing by a page from before', async t => {
  const world = await startWorld(t, {});
  const { app, visitor, ada } = world;
  const asked = await ask(world);
  await visitor.get(cardOf(asked));
  await killPerson(
    { people: app.store, credentials: app.store, freshness: app.store },
    ada.person.id,
    app.origin(),
  );
  const answer = await visitor.submit(`${cardOf(asked)}/approve`, { code: codeNow(world) });
  t.is(answer.location, `/sign-in?next=${encodeURIComponent(cardOf(asked))}`);
  t.is(await statusOf(world, asked), 'pending');
});
