/** Authority is checked where it is used: in the commit. What was authorised and died before it is refused, and has changed nothing. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { ExecutionContext } from 'ava';
import { ADMIN_CALLS } from '../../src/admin-api/calls.ts';
import { ADMIN_SCOPES, type AdminCallDescription } from '../../src/admin-api/index.ts';
import { type Agent, killAgent } from '../../src/agents/index.ts';
import { secretId, secretsOf } from '../../src/clients/index.ts';
import type { DelegationChange } from '../../src/delegation/index.ts';
import type { ElevationChange } from '../../src/elevation/index.ts';
import { killPerson } from '../../src/people/index.ts';
import { ADMIN_API_RESOURCE_ID } from '../../src/resources/index.ts';
import { delegationRecord, elevationRecord } from '../contract/records.ts';
import { openCaller } from '../support/server-process.ts';
import {
  type Answer,
  type App,
  addAgent,
  addPerson,
  addResource,
  type HeldClock,
  heldClock,
  startApp,
  startAppIn,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';
import { addWithKey } from '../support/with-key.ts';

/** A call whose body has not ended yet. */
interface HeldCall {
  /** Lets the body end. */
  finish(): Promise<Answer>;
}

/** Sends a call but for the end of its body, and resolves once it has been found out on whose authority it comes. */
async function holdOpen(
  app: App,
  token: string,
  path: string,
  body: unknown,
  { method, ifMatch }: { readonly method: string; readonly ifMatch?: string } = { method: 'POST' },
): Promise<HeldCall> {
  // A call that takes no body takes an empty object, however it is written.
  const text = JSON.stringify(body).padEnd(20);
  const answered = Promise.withResolvers<Answer>();
  const sent = request(
    `${app.base}/api/v1${path}`,
    {
      method,
      headers: {
        Host: new URL(app.issuer).host,
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/json',
        ...(ifMatch !== undefined && { 'If-Match': ifMatch }),
        'Content-Length': Buffer.byteLength(text),
      },
    },
    response => {
      let received = '';
      response.on('data', chunk => {
        received += chunk;
      });
      response.on('end', () =>
        answered.resolve({
          status: response.statusCode ?? 0,
          headers: new Headers(response.headers as Record<string, string>),
          text: received,
          json: JSON.parse(received),
        }),
      );
    },
  );
  sent.on('error', answered.reject);
  const isRead = tokenRead(app);
  sent.write(text.slice(0, 10));
  await isRead;
  return {
    finish: () => {
      sent.end(text.slice(10));
      return answered.promise;
    },
  };
}

/** Resolves when a server has read the token of a request: what is done next to it, comes after. */
function tokenRead({ store }: App): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const read = store.findToken;
  store.findToken = async jti => {
    const token = await read.call(store, jti);
    store.findToken = read;
    // Only then has who asked gone on with it.
    setImmediate(resolve);
    return token;
  };
  return promise;
}

interface World {
  /** Where the call comes in. */
  readonly app: App;
  /** Another process on the same store, where authority is taken away. */
  readonly other: App;
  readonly clock: HeldClock;
  readonly ownerId: string;
  /** An administrator of their own for each call. */
  administrator(): Promise<{ readonly id: string; readonly ownerId: string; readonly token: string }>;
  readonly call: (method: string, path: string, token: string, body?: unknown) => Promise<Answer>;
}

/** @param otherEnv what the other process is configured with besides */
async function twoProcesses(t: ExecutionContext, env: StoreEnv, otherEnv: StoreEnv = {}): Promise<World> {
  const clock = heldClock();
  const issuerAt = { path: '' };
  const app = await startApp(t, { env, clock, issuerAt });
  const other = await startAppIn(app.directory, {
    clock,
    env: {
      ...env,
      COUNTERSIGN_ISSUER: app.issuer,
      COUNTERSIGN_BOOTSTRAP_CLIENT_ID: app.admin.clientId,
      COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: app.admin.secret,
      ...otherEnv,
    },
  });
  t.teardown(() => other.stop());
  const caller = openCaller(Number(new URL(other.base).port), app.issuer);
  t.teardown(() => caller.close());
  const api = await app.store.findResource(ADMIN_API_RESOURCE_ID);
  if (!api) throw new Error('the API is no resource server');
  const scopes = [...ADMIN_SCOPES];
  return {
    app,
    other,
    clock,
    ownerId: (await addPerson(app)).id,
    administrator: async () => {
      const owner = await addPerson(app);
      const held = [{ resource: api.identifier, scopes }];
      const { id, basic } = await addAgent(app, owner, api, { envelope: held, baseline: held });
      const asked = { grant_type: 'client_credentials', resource: api.identifier };
      const { json } = await app.post('/token', asked, { basic });
      return { id, ownerId: owner.id, token: json.access_token };
    },
    call: (method, path, token, body) =>
      caller.call(method, `/api/v1${path}`, {
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
  };
}

async function countAgents({ store }: App): Promise<number> {
  await store.fresh();
  return (await store.listAgents({ limit: 1_000 })).items.length;
}

/** Asserts that a call which was authorised is refused as one without a live token is, and has changed nothing. */
async function assertRefused(t: ExecutionContext, world: World, made: () => Promise<Answer>, why: string) {
  const { app } = world;
  const before = await countAgents(app);
  const answer = await made();
  t.is(answer.status, 401, `${why}: ${answer.text}`);
  t.regex(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  t.regex(
    answer.headers.get('www-authenticate') ?? '',
    /^Bearer realm="countersign", error="invalid_token"$/,
  );
  t.regex(answer.json.type, /#token-not-accepted$/, why);
  t.is(await countAgents(app), before, why);
  const refusals = (await app.trail()).filter(({ type }) => type === 'admin.refused');
  t.is(refusals.length, 1, why);
  t.like(refusals[0], { outcome: 'refused', reason: 'authority-ended', detail: { method: 'POST' } }, why);
  t.regex(String(refusals[0]?.detail?.['ended']), /^(?:agt|tok|usr|res)_[\w-]+:0$/, why);
}

const ENDINGS: Readonly<
  Record<
    string,
    (world: World, who: Awaited<ReturnType<World['administrator']>>) => Promise<Answer | unknown>
  >
> = {
  'the administrator was killed': async ({ administrator, call }, { id }) =>
    call('POST', `/agents/${id}/kill`, (await administrator()).token),
  'its tokens were revoked': async ({ administrator, call }, { id }) =>
    call('POST', `/agents/${id}/tokens/revoke`, (await administrator()).token),
  'its token was revoked': async ({ other, administrator, call }, { id }) => {
    const [token] = await other.store.listTokens(id, 1);
    return call('POST', `/tokens/${token?.jti}/revoke`, (await administrator()).token);
  },
  'its owner was killed': ({ other }, { ownerId }) =>
    killPerson(
      { people: other.store, credentials: other.store, freshness: other.store },
      ownerId,
      other.origin(),
    ),
  'the API itself was cut off': async ({ other }) => {
    const { store } = other;
    await store.fresh();
    const api = await store.findResource(ADMIN_API_RESOURCE_ID);
    if (!api) throw new Error('the API is no resource server');
    const record = { ...api, epoch: api.epoch + 1, version: api.version + 1 };
    await store.commit({
      changes: [{ kind: 'replace', collection: 'resource', record, ifVersion: api.version }],
      events: [],
      authority: { none: 'boot' },
    });
  },
  'its token expired': async ({ clock }) => clock.pass(301_000),
};

for (const [ending, end] of Object.entries(ENDINGS)) {
  whateverTheStore(
    `I2: a call whose body was still coming while ${ending} is 401, and has made no agent`,
    async (t, env) => {
      const world = await twoProcesses(t, env);
      const resource = await addResource(world.app);
      const body = {
        name: 'Successor',
        ownerId: world.ownerId,
        envelope: [{ resource: resource.identifier, scopes: ['read'] }],
        credential: { method: 'client_secret' },
      };
      const who = await world.administrator();
      const held = await holdOpen(world.app, who.token, '/agents', body);
      const ended = await end(world, who);
      if (ended instanceof Object && 'status' in ended && 'text' in ended)
        t.is(ended.status, 200, String(ended.text));
      await assertRefused(t, world, () => held.finish(), ending);

      // Nothing else stood in its way.
      const next = await world.administrator();
      const made = await (await holdOpen(world.app, next.token, '/agents', body)).finish();
      t.is(made.status, 201, made.text);
    },
  );
}

const CALLS = Object.entries(ADMIN_CALLS) as [string, AdminCallDescription][];

/** Some read by `POST`, so that what is asked about stands in no URL. */
function changesSomething({ method, scope }: AdminCallDescription): boolean {
  return method !== 'GET' && scope !== 'read' && scope !== 'any';
}

/** Ends something and gives nobody anything, so that nobody's authority is needed. */
function takesAwayOnly({ path }: AdminCallDescription): boolean {
  return /\/(?:kill|retire|revoke|end)$/.test(path);
}

/** Everything that a call could have changed, and what the trail says was done. */
async function stateOf(app: App): Promise<string> {
  const { store } = app;
  await store.fresh();
  const lists = await Promise.all([
    store.listAgents({ limit: 200 }),
    store.listPeople({ limit: 200 }),
    store.listResources({ limit: 200 }),
    store.listSigningKeys(),
    store.listDelegations({ limit: 200 }),
    store.listElevations({ limit: 200 }),
  ]);
  const done = (await app.trail()).filter(
    ({ outcome, type }) => outcome === 'done' && !/^(token\.issued|lane\.)/.test(type),
  );
  return JSON.stringify([lists, done.length]);
}

/** Where a call goes as its example has it, which works where those before it have been made. */
async function pathOf({ path, example }: AdminCallDescription, app: App, jti: string): Promise<string> {
  const { store } = app;
  const id = example.params?.['id'] ?? '';
  const [, collection] = path.split('/');
  const ofKeys = /^\/(agent|resource)s\/\{id\}\/keys/.exec(path);
  // Of the algorithm that the example of a rotation has made a second one for.
  const keys = collection === 'keys' ? await store.listSigningKeys() : [];
  const holder = collection === 'agents' ? await store.findAgent(id) : await store.findResource(id);
  const made: Readonly<Record<string, string | undefined>> = {
    id: keys.find(({ alg }) => alg === 'ES256')?.id ?? id,
    jti,
    secret: holder && secretsOf(holder.credential).map(secretId)[0],
    ...(ofKeys && (await addWithKey(app, ofKeys[1] as 'agent' | 'resource'))),
  };
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => made[name] ?? `no ${name}`);
}

onEachStore(
  'I2, I6: every call that changes something is 401 and changes nothing once its authority has ended; what only takes away is done',
  async (t, env) => {
    // The key-encryption key is being replaced, so that there is something to seal anew.
    const [older, newer] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
    const { app, other, administrator } = await twoProcesses(
      t,
      { ...env, COUNTERSIGN_KEY_ENCRYPTION_KEY: older },
      { COUNTERSIGN_KEY_ENCRYPTION_KEY: newer, COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS: older },
    );
    const record = delegationRecord({ id: ADMIN_CALLS.endDelegation.example.params.id as `dlg_${string}` });
    const given: DelegationChange = { kind: 'insert', collection: 'delegation', record };
    const asked: ElevationChange = {
      kind: 'insert',
      collection: 'elevation',
      record: elevationRecord({ id: ADMIN_CALLS.revokeElevation.example.params.id as `elv_${string}` }),
    };
    await app.store.commit({ changes: [given, asked], events: [], authority: { none: 'boot' } });
    const begin = async (call: AdminCallDescription) => {
      const who = await administrator();
      await other.store.fresh();
      const [spare] = await other.store.listTokens((await administrator()).id, 1);
      const path = await pathOf(call, other, spare?.jti ?? '');
      const { method, example, ifMatch } = call;
      const held = await holdOpen(other, who.token, path, example.body ?? {}, {
        method,
        ...(ifMatch && { ifMatch: '*' }),
      });
      return { who, held };
    };
    const calls = CALLS.filter(([, call]) => changesSomething(call));
    for (const [operationId, call] of calls) {
      const { who, held } = await begin(call);
      await killAgent({ agents: app.store, freshness: app.store }, who.id, app.origin());
      const before = await stateOf(other);
      const answer = await held.finish();
      if (!takesAwayOnly(call)) {
        t.is(answer.status, 401, `${operationId}: ${answer.text}`);
        t.regex(answer.json.type, /#token-not-accepted$/, operationId);
        t.is(await stateOf(other), before, operationId);
        const refusal = (await other.trail()).findLast(({ type }) => type === 'admin.refused');
        t.like(refusal, { reason: 'authority-ended', client: who.id, detail: { method: call.method } });

        // Nothing else stood in its way.
        const made = await (await begin(call)).held.finish();
        t.is(made.status, call.status ?? 200, `${operationId}: ${made.text}`);
      } else {
        t.is(answer.status, 200, `${operationId}: ${answer.text}`);
      }
      t.not(await stateOf(other), before, operationId);
    }
    t.log(`${calls.length} calls`);
  },
);

onEachStore('I6: whoever ends themselves, or another while being ended, is not held up', async (t, env) => {
  const world = await twoProcesses(t, env);
  const { app, call } = world;
  const statusOf = async (id: string) => {
    await app.store.fresh();
    return ((await app.store.findAgent(id)) as Agent).status;
  };

  const first = await world.administrator();
  const own = await call('POST', `/agents/${first.id}/kill`, first.token);
  t.is(own.status, 200, own.text);
  t.is(await statusOf(first.id), 'suspended');
  t.is((await call('GET', '/me', first.token)).status, 401, 'and then it is dead');

  // What narrows the caller takes effect, though it ends the authority that it is made on.
  const second = await world.administrator();
  const { version } = (await app.store.findAgent(second.id)) as Agent;
  const caller = openCaller(Number(new URL(app.base).port), app.issuer);
  t.teardown(() => caller.close());
  const narrowed = await caller.call('PATCH', `/api/v1/agents/${second.id}`, {
    headers: {
      Authorization: `Bearer ${second.token}`,
      'Content-Type': 'application/json',
      'If-Match': `"${version}"`,
    },
    body: JSON.stringify({ accessTokenTtlSeconds: 60 }),
  });
  t.is(narrowed.status, 200, narrowed.text);
  t.is((await call('GET', '/me', second.token)).status, 401);

  // A kill takes away only: it is done even where who asked for it has ended meanwhile.
  const [third, fourth] = [await world.administrator(), await world.administrator()];
  const held = await holdOpen(app, third.token, `/agents/${fourth.id}/kill`, {});
  await killAgent({ agents: app.store, freshness: app.store }, third.id, app.origin());
  const killed = await held.finish();
  t.is(killed.status, 200, killed.text);
  t.is(await statusOf(fourth.id), 'suspended');
});
