/** What ends a delegation, or anybody in it, against an exchange by another process, in each order: no token lives after an end that was acknowledged. */
import { killAgent } from '../../src/agents/index.ts';
import { endDelegation, endOwnDelegation, giveDelegation } from '../../src/delegation/index.ts';
import { killPerson } from '../../src/people/index.ts';
import { killResource } from '../../src/resources/index.ts';
import type { Change } from '../../src/store/store.ts';
import { deploy, sharedMongo, sharedSqlite } from '../support/deployment.ts';
import { justBefore } from '../support/just-before.ts';
import { openCaller, patient } from '../support/server-process.ts';
import {
  type App,
  addAgent,
  addPerson,
  addResource,
  startApp,
  startAppIn,
  type TestAgent,
} from '../support/start-app.ts';
import { onEachStore, sharingOnEachStore } from '../support/stores.ts';
import { delegationDeps, EXCHANGE, subjectOf } from './exchange-world.ts';

const HOUR_MS = 3_600_000;

/** A person and agents that nobody else has, so that one end does not touch another one's. */
async function cast(app: App) {
  const [alice, operator] = [await addPerson(app, 'Alice'), await addPerson(app, 'Olga')];
  const resource = await addResource(app);
  const envelope = [{ resource: resource.identifier, scopes: ['read', 'write'] }];
  const [planner, worker] = [
    await addAgent(app, operator, resource, { envelope }),
    await addAgent(app, operator, resource, { envelope }),
  ];
  const personId = alice.id as `usr_${string}`;
  const input = {
    agentId: planner.id,
    resource: resource.identifier,
    scopes: ['read', 'write'],
    expiresAt: new Date(app.now() + HOUR_MS).toISOString(),
    mayActNext: [worker.id],
  };
  const { delegation } = await giveDelegation(delegationDeps(app), personId, input, app.origin());
  return { alice, operator, resource, planner, worker, personId, input, delegation };
}

type Cast = Awaited<ReturnType<typeof cast>>;

/** By another process than the one that exchanges. */
const ENDS: Readonly<Record<string, (other: App, cast: Cast, subject: string) => Promise<unknown>>> = {
  'its person ends the delegation': (other, { delegation, personId }) =>
    endOwnDelegation(delegationDeps(other), personId, delegation.id, other.origin()),
  'an administrator ends the delegation': (other, { delegation }) =>
    endDelegation(delegationDeps(other), delegation.id, other.origin()),
  'its person gives less': (other, { personId, input }) =>
    giveDelegation(
      delegationDeps(other),
      personId,
      { ...input, scopes: ['read'], mayActNext: [] },
      other.origin(),
    ),
  'the person is killed': (other, { alice }) => killPerson(managed(other), alice.id, other.origin()),
  'the first agent is killed': (other, { planner }) => killAgent(managed(other), planner.id, other.origin()),
  'the agent that asks is killed': (other, { worker }) =>
    killAgent(managed(other), worker.id, other.origin()),
  'the owner of the agents is killed': (other, { operator }) =>
    killPerson(managed(other), operator.id, other.origin()),
  'the resource server is killed': (other, { resource }) =>
    killResource(managed(other), resource.id, other.origin()),
};

const managed = ({ store }: App) => ({
  agents: store,
  people: store,
  resources: store,
  credentials: store,
  freshness: store,
  findStrongerAgents: async () => [],
});

const onTwoProcesses = sharingOnEachStore(async (host, env) => {
  const now = Date.now();
  const clock = () => now;
  const app = await startApp(host, { env, clock });
  const other = await startAppIn(app.directory, { env: { ...env, COUNTERSIGN_ISSUER: app.issuer }, clock });
  const caller = openCaller(Number(new URL(other.base).port), app.issuer);
  host.teardown(async () => {
    caller.close();
    await other.stop();
  });
  return { app, other, caller };
});

const isToken = ({ kind }: Change): boolean => kind === 'insert-token';

for (const [what, end] of Object.entries(ENDS)) {
  onTwoProcesses(
    `I6: ${what} by another process, before, within and after an exchange: no token lives after that`,
    async (t, { app, other, caller }) => {
      const exchange = ({ worker }: Cast, subject: string) =>
        app.post('/token', { grant_type: EXCHANGE, ...subjectOf(subject) }, { basic: worker.basic });
      const begin = async () => {
        const world = await cast(app);
        const form = { grant_type: EXCHANGE, ...subjectOf(world.delegation.id) };
        const { json } = await app.post('/token', form, { basic: world.planner.basic });
        return { world, subject: json.access_token as string };
      };
      const isLive = async ({ resource }: Cast, token: string) => {
        const basic = [resource.id, resource.secret] as const;
        const asked = await Promise.all(
          [app, caller].map(each => each.post('/introspect', { token }, { basic })),
        );
        // Of a resource server that was stopped nothing is heard, and so nothing taken.
        return asked.map(({ status, json }) => status === 200 && json.active === true);
      };

      // Before: the end is acknowledged, then it is asked for.
      const first = await begin();
      await end(other, first.world, first.subject);
      const refused = await exchange(first.world, first.subject);
      t.true(refused.status === 400 || refused.status === 401, `${refused.status} ${refused.text}`);
      t.is(refused.json.access_token, undefined);

      // Within: it was decided before the end, and commits after it.
      const second = await begin();
      t.deepEqual(await isLive(second.world, second.subject), [true, true]);
      const hasEnded = justBefore(app.store, isToken, () => end(other, second.world, second.subject));
      const late = await exchange(second.world, second.subject);
      t.true(hasEnded());
      t.is(late.status, 200, late.text);
      t.deepEqual(await isLive(second.world, late.json.access_token), [false, false]);

      // After: it has been issued, and the end is acknowledged.
      const third = await begin();
      const issued = await exchange(third.world, third.subject);
      t.is(issued.status, 200, issued.text);
      t.deepEqual(await isLive(third.world, issued.json.access_token), [true, true]);
      await end(other, third.world, third.subject);
      t.deepEqual(await isLive(third.world, issued.json.access_token), [false, false]);
    },
  );
}

onTwoProcesses(
  'I6: a subject token that is revoked by another process takes along what it is being exchanged for',
  async (t, { app, caller }) => {
    const { delegation, planner, worker, resource } = await cast(app);
    const grant = (subject: string) => ({ grant_type: EXCHANGE, ...subjectOf(subject) });
    const { json } = await app.post('/token', grant(delegation.id), { basic: planner.basic });
    const revoke = () => caller.post('/revoke', { token: json.access_token }, { basic: planner.basic });
    const hasRevoked = justBefore(app.store, isToken, revoke);
    const late = await app.post('/token', grant(json.access_token), { basic: worker.basic });
    t.true(hasRevoked());
    t.is(late.status, 200);
    const basic = [resource.id, resource.secret] as const;
    for (const each of [app, caller]) {
      const { text } = await each.post('/introspect', { token: late.json.access_token }, { basic });
      t.is(text, '{"active":false}');
    }
    const again = await app.post('/token', grant(delegation.id), { basic: planner.basic });
    t.is(again.status, 200, 'the delegation stands');
  },
);

onEachStore(
  'I6: of exchanges at two processes at once, and an end among them, no token lives once the end is acknowledged',
  async (t, env) => {
    const uri = env['COUNTERSIGN_STORE'];
    const shared = uri === undefined ? await sharedSqlite(t) : await sharedMongo(t, { freshUri: () => uri });
    const deployment = await deploy(t, shared);
    const [one, two] = [patient(await deployment.start()), patient(await deployment.start())];
    const servers = [one, two];
    const { delegation, planner, worker, resource } = await deployment.withStore(world => cast(world as App));
    const headers = await deployment.administer(two);
    const ask = (server: typeof one, subject: string, { basic }: TestAgent) =>
      server.post('/token', { grant_type: EXCHANGE, ...subjectOf(subject) }, { basic });
    const { json } = await ask(one, delegation.id, planner);
    const asks = () =>
      Array.from({ length: 6 }, (_, index) => [
        ask(index % 2 === 0 ? one : two, delegation.id, planner),
        ask(index % 2 === 0 ? two : one, json.access_token, worker),
      ]).flat();
    const before = asks();
    const ended = two.call('POST', `/api/v1/delegations/${delegation.id}/end`, { headers });
    const after = asks();
    t.is((await ended).status, 200);
    const answers = await Promise.all([...before, ...after]);
    t.deepEqual(
      [...new Set(answers.map(({ status }) => status))].filter(each => ![200, 400].includes(each)),
      [],
    );
    const tokens = answers.filter(({ status }) => status === 200).map(answer => answer.json.access_token);
    t.log(`${tokens.length} of ${answers.length} came to a token`);
    const basic = [resource.id, resource.secret] as const;
    for (const token of [json.access_token, ...tokens]) {
      for (const server of servers) {
        t.is((await server.post('/introspect', { token }, { basic })).text, '{"active":false}');
      }
    }
    t.is((await ask(one, delegation.id, planner)).status, 400);
  },
);
