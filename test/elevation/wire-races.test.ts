/** Polls and asks at two processes at once, and what ends an elevation before, within and after a poll by the other one. */
import { killAgent, restoreAgent, updateAgent } from '../../src/agents/index.ts';
import { endDelegation } from '../../src/delegation/index.ts';
import { denyElevation } from '../../src/elevation/index.ts';
import {
  beginTotp,
  finishEnrolment,
  issueEnrolment,
  killPerson,
  restorePerson,
  setPassword,
} from '../../src/people/index.ts';
import { killResource, restoreResource } from '../../src/resources/index.ts';
import type { Change } from '../../src/store/store.ts';
import { delegationDeps } from '../delegation/exchange-world.ts';
import { justBefore } from '../support/just-before.ts';
import { codeOf, PASSWORD } from '../support/people.ts';
import type { Answer, App } from '../support/start-app.ts';
import { sharingOnEachStore } from '../support/stores.ts';
import { castWireWorld, managed, startStage, type WireWorld } from './wire-world.ts';

const onTwoProcesses = sharingOnEachStore(async (host, env) => {
  const stage = await startStage(host, { env });
  return { stage, other: await stage.startAnother() };
});

const isToken = ({ kind }: Change): boolean => kind === 'insert-token';

const told = ({ status, json }: Answer) => [status, json.error];

onTwoProcesses(
  'of fifty polls at once, at two processes, one alone has the token',
  async (t, { stage, other }) => {
    const world = await castWireWorld(t, stage);
    const asked = await world.ask();
    await world.approve(asked);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => world.poll(asked, { at: index % 2 ? other : world.app })),
    );
    const granted = answers.filter(({ status }) => status === 200);
    t.is(granted.length, 1);
    for (const answer of answers)
      if (answer.status !== 200) t.deepEqual(told(answer), [400, 'invalid_grant']);
    t.true((await world.introspect(granted[0]?.json.access_token)).active);
    t.is((await world.eventsOf('token.issued')).length, 1);
    t.is((await world.eventsOf('elevation.redeemed')).length, 1);
  },
);

onTwoProcesses(
  'identical asks at once, at two processes, wait as one, and one of their codes has the token',
  async (t, { stage, other }) => {
    const world = await castWireWorld(t, stage);
    const asked = await Promise.all(
      Array.from({ length: 12 }, (_, index) => world.ask({}, { at: index % 2 ? other : world.app })),
    );
    t.deepEqual([...new Set(asked.map(({ json }) => json.error))], ['authorization_pending']);
    t.is(new Set(asked.map(({ json }) => json.binding_code)).size, 1);
    t.is(new Set(asked.map(({ json }) => json.deferral_code)).size, asked.length);
    const [first] = asked as [Answer];
    await world.approve(first);
    const answers = await Promise.all(
      asked.map((each, index) => world.poll(each, { at: index % 2 ? world.app : other })),
    );
    t.is(answers.filter(({ status }) => status === 200).length, 1);
    t.is((await world.eventsOf('token.issued')).length, 1);
  },
);

onTwoProcesses(
  'of a withdrawal and a poll at once one comes first, and the other one goes by it',
  async (t, { stage, other }) => {
    const world = await castWireWorld(t, stage);
    const outcomes: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      const asked = await world.ask();
      await world.approve(asked);
      const [poll, cancel] = await Promise.all([
        world.poll(asked, { at: round % 2 ? other : world.app }),
        world.cancel(asked, { at: round % 2 ? world.app : other }),
      ]);
      t.is(cancel.status, 200);
      const { status } = await world.elevation(asked);
      outcomes.push(status);
      if (poll.status === 200) t.is(status, 'redeemed');
      else t.deepEqual([...told(poll), status], [400, 'access_denied', 'cancelled']);
    }
    t.log(outcomes.join(' '));
  },
);

/** By another process than the one that is polled. Each has a delegation, an agent and an approval of its own. */
const ENDS: Readonly<Record<string, (world: WireWorld, other: App, asked: Answer) => Promise<unknown>>> = {
  'the approver denies it': async (world, other, asked) =>
    denyElevation(
      { ...world.approveDeps(), ...managed(other), elevations: other.store, epochs: other.store.epochs },
      world.ada.person.id,
      (await world.elevation(asked)).id,
      'suspicious',
      other.origin(),
    ),
  'the agent withdraws it': (world, _other, asked) => world.cancel(asked),
  'the delegation is ended': async (world, other, asked) =>
    endDelegation(delegationDeps(other), (await world.elevation(asked)).delegationId ?? '', other.origin()),
  'the envelope is narrowed': async (world, other) => {
    const envelope = [{ resource: world.resource.identifier, scopes: ['read'] }];
    await updateAgent(managed(other), world.agent.id, '*', { envelope }, other.origin());
  },
  'the factor of the approver is set anew': async (world, other) => {
    const { store } = other;
    const all = {
      people: store,
      credentials: store,
      passes: store,
      attempts: store,
      store,
      freshness: store,
    };
    const deps = { ...world.approveDeps().signIn, ...all, epochs: store.epochs };
    const { value } = await issueEnrolment(deps, world.ada.person, 'reset', ['host'], other.origin());
    await setPassword(deps, value, PASSWORD, other.origin());
    const seed = (await beginTotp(deps, value, other.origin())).secret.replaceAll(' ', '');
    await finishEnrolment(deps, value, { code: codeOf(seed, other.now()) }, other.origin());
  },
  'the approver is disabled': (world, other) =>
    killPerson(managed(other), world.ada.person.id, other.origin()),
  'the resource server is killed': (world, other) =>
    killResource(managed(other), world.resource.id, other.origin()),
  'the agent is killed': (world, other) => killAgent(managed(other), world.agent.id, other.origin()),
};

for (const [what, end] of Object.entries(ENDS)) {
  onTwoProcesses(
    `R073: ${what} by another process, within a poll and before one: no token, and the poll says so`,
    async (t, { stage, other }) => {
      const world = await castWireWorld(t, stage);
      const { app } = world;
      const delegation = await world.give();
      const open = async () => {
        const asked = await world.exchange(delegation, { scope: 'read delete' });
        t.is(asked.json.error, 'authorization_pending', asked.text);
        await world.approve(asked);
        return asked;
      };
      const asked = await open();
      const hasEnded = justBefore(app.store, isToken, () =>
        // A withdrawal comes by the other process too.
        end({ ...world, cancel: each => world.cancel(each, { at: other }) }, other.app, asked),
      );
      const within = await world.poll(asked);
      t.true(hasEnded());
      t.deepEqual(told(within), [400, 'access_denied'], within.text);
      t.is(within.json.access_token, undefined);

      const before =
        what === 'the approver denies it' || what === 'the agent withdraws it' ? await open() : asked;
      if (before !== asked) await end(world, other.app, before);
      for (const at of [app, other]) {
        const late = await world.poll(before, { at });
        // Who is stopped cannot even say who it is.
        const isKilled = what === 'the agent is killed';
        t.deepEqual(told(late), isKilled ? [401, 'invalid_client'] : [400, 'access_denied'], late.text);
      }
      await restoreAgent(managed(app), world.agent.id, app.origin());
      await restoreResource(managed(app), world.resource.id, app.origin());
      await restorePerson(managed(app), world.ada.person.id, app.origin());
      t.deepEqual(told(await world.poll(before)), [400, 'access_denied'], 'also once it is restored');
      t.deepEqual(await world.eventsOf('token.issued'), []);
      t.deepEqual(await world.eventsOf('elevation.redeemed'), []);
    },
  );
}
