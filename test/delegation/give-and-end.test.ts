/** What a person lets an agent do for them: given in their session, replaced, ended, and never more than it may be. */
import test from 'ava';
import { agentIdOf, killAgent, restoreAgent, updateAgent, useApplication } from '../../src/agents/index.ts';
import {
  delegatedScopes,
  delegationHandle,
  eachDelegation,
  endDelegation,
  endOwnDelegation,
  giveDelegation,
  judgeDelegation,
  listDelegations,
} from '../../src/delegation/index.ts';
import { Refused } from '../../src/errors.ts';
import { newId } from '../../src/ids.ts';
import { findDeadHandle } from '../../src/liveness.ts';
import { killPerson, restorePerson } from '../../src/people/index.ts';
import { ADMIN_API_RESOURCE_ID, killResource, updateResource } from '../../src/resources/index.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { resourceRecord } from '../contract/records.ts';
import { justBefore } from '../support/just-before.ts';
import { enrolPerson } from '../support/people.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';
import { at, DAY_MS, type DelegationWorld, HOUR_MS, startDelegationWorld } from './delegation-world.ts';

const isDelegation = (change: Change): boolean =>
  (change.kind === 'insert' || change.kind === 'replace') && change.collection === 'delegation';

/** Whether a token that was issued under an epoch of a delegation is dead, as a process has heard. */
async function isDead(store: Store, handle: string): Promise<boolean> {
  await store.fresh();
  return findDeadHandle(handle, store.epochs) !== undefined;
}

whateverTheStore(
  'a person lets an agent act for them: for these scopes, at this resource server, until then, and the trail tells it',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const next = await world.addAgent();
    const { delegation, change } = await world.give({
      // As clients write it.
      resource: `${world.resource.identifier}/`,
      scopes: ['read', 'write'],
      mayActNext: [next.id],
    });
    t.is(change, 'given');
    t.like(delegation, {
      personId: world.ada.person.id,
      agentId: world.agent.id,
      resourceId: world.resource.id,
      resource: world.resource.identifier,
      scopes: ['read', 'write'],
      expiresAt: world.now + HOUR_MS,
      mayActNext: [next.id],
      status: 'active',
      version: 1,
      epoch: 0,
    });
    t.regex(delegation.id, /^dlg_[0-9a-f]{32}$/);
    t.deepEqual(await world.active(await world.start()), [delegation]);
    const [event, ...others] = await world.eventsOf('delegation.given');
    t.deepEqual(others, []);
    t.like(event, {
      outcome: 'done',
      subject: world.ada.person.id,
      actor: [world.ada.person.id],
      target: delegation.id,
      resource: world.resource.identifier,
      scope: 'read write',
      detail: { agent: world.agent.id, expiresAt: delegation.expiresAt, mayActNext: [next.id] },
    });
  },
);

whateverTheStore('a delegation without an end of its own has one in 30 days', async (t, env) => {
  const world = await startDelegationWorld(t, env);
  const { delegation } = await world.give({ expiresAt: undefined });
  t.is(delegation.expiresAt, world.now + 30 * DAY_MS);
});

/** What is refused, each with what is told of it: the value, and what would have been accepted. */
const REFUSED: Readonly<
  Record<
    string,
    (world: DelegationWorld) => Promise<{
      readonly input: Record<string, unknown>;
      readonly reason: string;
      readonly parameter: string;
      readonly sent: string;
      readonly permitted: RegExp;
    }>
  >
> = {
  'R028: a scope that the resource server has not': async () => ({
    input: { scopes: ['read', 'fly'] },
    reason: 'delegation-scope-unknown',
    parameter: 'scopes',
    sent: 'fly',
    permitted: /^read,write$/,
  }),
  'R028: a scope beyond the envelope of the agent': async world => {
    const envelope = [{ resource: world.resource.identifier, scopes: ['read'] }];
    const agentId = (await world.addAgent({ envelope })).id;
    return {
      input: { agentId, scopes: ['read', 'write'] },
      reason: 'delegation-scope-beyond-envelope',
      parameter: 'scopes',
      sent: 'write',
      permitted: /^read$/,
    };
  },
  'a scope of high risk, which is countersigned each time': async () => ({
    input: { scopes: ['read', 'delete'] },
    reason: 'delegation-scope-high-risk',
    parameter: 'scopes',
    sent: 'delete',
    permitted: /^read,write$/,
  }),
  'R029: a resource server that is not in the envelope of the agent': async world => ({
    input: { resource: (await world.addResource()).identifier },
    reason: 'delegation-scope-beyond-envelope',
    parameter: 'scopes',
    sent: 'read',
    permitted: /^$/,
  }),
  'R029: a resource server that is not registered': async world => ({
    input: { resource: 'https://nowhere.example/mcp' },
    reason: 'delegation-resource-unknown',
    parameter: 'resource',
    sent: 'https://nowhere.example/mcp',
    permitted: new RegExp(`^${world.resource.identifier}$`),
  }),
  'R029: our own API': async world => {
    const identifier = 'https://auth.example/api';
    const record = resourceRecord({ id: ADMIN_API_RESOURCE_ID, identifier });
    await world.process.store.commit({
      changes: [{ kind: 'insert', collection: 'resource', record }],
      events: [],
      authority: { none: 'boot' },
    });
    const envelope = [
      { resource: identifier, scopes: ['read'] },
      { resource: world.resource.identifier, scopes: ['read'] },
    ];
    return {
      input: { agentId: (await world.addAgent({ envelope })).id, resource: identifier },
      reason: 'delegation-resource-not-possible',
      parameter: 'resource',
      sent: identifier,
      permitted: new RegExp(`^${world.resource.identifier}$`),
    };
  },
  'R029: a resource server that is stopped': async world => {
    const { store } = world.process;
    await killResource({ resources: store, freshness: store }, world.resource.id, world.origin());
    return {
      input: {},
      reason: 'delegation-resource-disabled',
      parameter: 'resource',
      sent: world.resource.identifier,
      permitted: /^$/,
    };
  },
  'an agent that is not there': async world => {
    const agentId = newId('agt', world.now);
    return {
      input: { agentId },
      reason: 'delegation-agent-unknown',
      parameter: 'agentId',
      sent: agentId,
      permitted: /registered/,
    };
  },
  'an agent that is stopped': async world => {
    const { store } = world.process;
    await killAgent({ agents: store, freshness: store }, world.agent.id, world.origin());
    return {
      input: {},
      reason: 'delegation-agent-not-active',
      parameter: 'agentId',
      sent: world.agent.id,
      permitted: /active/,
    };
  },
  'an agent that has run out': async world => {
    const agent = await world.addAgent({ expiresAt: at(world.now + 1_000) });
    world.now += 1_000;
    return {
      input: { agentId: agent.id },
      reason: 'delegation-agent-not-active',
      parameter: 'agentId',
      sent: agent.id,
      permitted: /active/,
    };
  },
  'an application that people use': async world => {
    const application = await addApplication(world);
    return {
      input: { agentId: application.id },
      reason: 'delegation-agent-is-application',
      parameter: 'agentId',
      sent: application.id,
      permitted: /works by itself/,
    };
  },
  'the agent of a person for an application': async world => {
    const record = await addApplication(world);
    const used = { clientId: record.id, name: record.name, record };
    await useApplication(world.process.store, used, world.ada.person, world.origin());
    const agentId = agentIdOf(used, world.ada.person.id);
    return {
      input: { agentId },
      reason: 'delegation-agent-is-application',
      parameter: 'agentId',
      sent: agentId,
      permitted: /works by itself/,
    };
  },
  'R033: a next agent that is not there': async world => {
    const id = newId('agt', world.now);
    return {
      input: { mayActNext: [id] },
      reason: 'delegation-next-agent-not-possible',
      parameter: 'mayActNext',
      sent: id,
      permitted: /other agents/,
    };
  },
  'R033: a next agent that is the agent itself': async world => ({
    input: { mayActNext: [world.agent.id] },
    reason: 'delegation-next-agent-not-possible',
    parameter: 'mayActNext',
    sent: world.agent.id,
    permitted: /other agents/,
  }),
  'R033: a next agent that is an application': async world => {
    const { id } = await addApplication(world);
    return {
      input: { mayActNext: [id] },
      reason: 'delegation-next-agent-not-possible',
      parameter: 'mayActNext',
      sent: id,
      permitted: /work by themselves/,
    };
  },
  'R030: an end that is not in the future': async world => ({
    input: { expiresAt: at(world.now) },
    reason: 'delegation-end-not-possible',
    parameter: 'expiresAt',
    sent: at(world.now),
    permitted: /^later than .*90 days$/,
  }),
  'R030: an end more than 90 days ahead': async world => ({
    input: { expiresAt: at(world.now + 90 * DAY_MS + 1) },
    reason: 'delegation-end-not-possible',
    parameter: 'expiresAt',
    sent: at(world.now + 90 * DAY_MS + 1),
    permitted: new RegExp(`at the latest ${at(world.now + 90 * DAY_MS)}`),
  }),
};

function addApplication(world: DelegationWorld) {
  return world.addAgent({
    application: { redirectUris: ['https://editor.example/callback'] },
    credential: { method: 'none' },
    envelope: [{ resource: world.resource.identifier, scopes: ['read'] }],
    baseline: [{ resource: world.resource.identifier, scopes: ['read'] }],
  });
}

for (const [what, refusal] of Object.entries(REFUSED)) {
  test(`refused by name, and nothing is spent: ${what}`, async t => {
    const world = await startDelegationWorld(t, {});
    const { input, reason, parameter, sent, permitted } = await refusal(world);
    const error = await t.throwsAsync(world.give(input), { instanceOf: Refused, message: reason });
    const { detail } = error as Refused;
    t.is(detail.parameter, parameter);
    t.is(detail.sent, sent);
    t.regex(String(detail.permitted), permitted);
    t.deepEqual(await world.active(), []);
    const [event, ...others] = await world.eventsOf('delegation.give-refused');
    t.deepEqual(others, []);
    t.like(event, {
      outcome: 'refused',
      reason,
      subject: world.ada.person.id,
      target: String(input['agentId'] ?? world.agent.id),
    });
    // Nothing was spent by it: what may be given still can be.
    if (input['scopes'] ?? input['mayActNext'] ?? input['expiresAt']) {
      t.is((await world.give()).change, 'given');
    }
  });
}

test('R030: an end exactly 90 days ahead is permitted', async t => {
  const world = await startDelegationWorld(t, {});
  t.is((await world.give({ expiresAt: at(world.now + 90 * DAY_MS) })).change, 'given');
});

test('what has not the form of a delegation is refused by name, and nothing of it dropped', async t => {
  const world = await startDelegationWorld(t, {});
  for (const [input, parameter] of [
    [{ scopes: [] }, 'scopes'],
    [{ scopes: ['read', 'read'] }, 'scopes'],
    [{ agentId: 'agt_1' }, 'agentId'],
    [{ expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ mayActNext: Array.from({ length: 21 }, () => newId('agt', world.now)) }, 'mayActNext'],
    [{ personId: world.ada.person.id }, 'personId'],
    [{ authorization_details: [] }, 'authorization_details'],
  ] as const) {
    const error = await t.throwsAsync(world.give(input), { message: 'input-invalid' });
    t.is((error as Refused).detail.parameter, parameter);
  }
  t.deepEqual(await world.active(), []);
});

whateverTheStore(
  'giving again replaces the one there is, and cuts off what is out only where that leaves less',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const other = await world.start();
    const next = await world.addAgent();
    const first = (await world.give({ scopes: ['read'] })).delegation;
    const steps = [
      { input: { scopes: ['read', 'write'] }, narrower: false },
      { input: { scopes: ['read', 'write'], mayActNext: [next.id] }, narrower: false },
      {
        input: { scopes: ['read', 'write'], mayActNext: [next.id], expiresAt: at(world.now + 2 * HOUR_MS) },
        narrower: false,
      },
      {
        input: { scopes: ['read', 'write'], mayActNext: [next.id], expiresAt: at(world.now + HOUR_MS) },
        narrower: true,
      },
      { input: { scopes: ['read', 'write'], expiresAt: at(world.now + HOUR_MS) }, narrower: true },
      { input: { scopes: ['write'], expiresAt: at(world.now + HOUR_MS) }, narrower: true },
      { input: { scopes: ['read'], expiresAt: at(world.now + HOUR_MS) }, narrower: true },
    ];
    let before = first;
    for (const [index, { input, narrower }] of steps.entries()) {
      const told = `step ${index}`;
      const { delegation, change } = await world.give(input);
      t.is(change, 'replaced', told);
      t.like(delegation, { id: first.id, version: index + 2, createdAt: first.createdAt }, told);
      t.is(delegation.epoch, before.epoch + Number(narrower), told);
      t.deepEqual(delegation.scopes, input.scopes, told);
      t.is(await isDead(other.store, delegationHandle(before)), narrower, told);
      t.false(await isDead(other.store, delegationHandle(delegation)), told);
      t.deepEqual(await world.active(other), [delegation], told);
      const event = (await world.eventsOf('delegation.replaced')).at(-1);
      t.like(event, { target: first.id, detail: { cutsOff: narrower, epoch: delegation.epoch } }, told);
      before = delegation;
    }
    t.is((await world.give({ scopes: ['read'] })).change, 'unchanged');
    t.is((await world.eventsOf('delegation.replaced')).length, steps.length);
  },
);

whateverTheStore('I18: giving one that has run out again carries on nothing from before', async (t, env) => {
  const world = await startDelegationWorld(t, env);
  const first = (await world.give({ expiresAt: at(world.now + 60_000) })).delegation;
  world.now += 60_000;
  t.is((await judgeDelegation(world.depsOf(world.process), first, world.now)).status, 'expired');
  const { delegation } = await world.give({ scopes: ['read', 'write'] });
  t.like(delegation, { id: first.id, epoch: 1, status: 'active' });
  t.true(await isDead(world.process.store, delegationHandle(first)));
});

whateverTheStore(
  'ended is final: every token is dead, and what is given then is another delegation',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const other = await world.start();
    const { store } = world.process;
    const first = (await world.give()).delegation;
    const deps = world.depsOf(other);
    const ended = await endOwnDelegation(
      deps,
      world.ada.person.id,
      first.id,
      await world.actingAs(world.ada),
    );
    t.like(ended, { status: 'ended', epoch: 1, version: 2 });
    t.true(await isDead(store, delegationHandle(first)));
    t.deepEqual(await world.active(), []);
    t.deepEqual(
      await endDelegation(deps, first.id, world.origin()),
      ended,
      'to end it again changes nothing',
    );
    const [event, ...others] = await world.eventsOf('delegation.ended');
    t.deepEqual(others, []);
    t.like(event, {
      outcome: 'done',
      actor: [world.ada.person.id],
      target: first.id,
      resource: first.resource,
      detail: { person: world.ada.person.id, agent: world.agent.id, epoch: 1 },
    });
    const { delegation, change } = await world.give();
    t.is(change, 'given');
    t.not(delegation.id, first.id);
    t.deepEqual(await world.active(other), [delegation]);
    await other.store.fresh();
    t.is((await other.store.findDelegation(first.id))?.status, 'ended');
  },
);

whateverTheStore(
  "I3: nobody ends somebody else's delegation, and it is as unknown to them as none",
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const eve = await enrolPerson(world, { name: 'Eve' });
    const { delegation } = await world.give();
    const end = async (id: string) =>
      endOwnDelegation(world.depsOf(world.process), eve.person.id, id, await world.actingAs(eve));
    await t.throwsAsync(end(delegation.id), { message: 'delegation-unknown' });
    await t.throwsAsync(end(newId('dlg', world.now)), { message: 'delegation-unknown' });
    t.deepEqual(await world.active(), [delegation]);
  },
);

whateverTheStore("I3: nobody gives in somebody else's name", async (t, env) => {
  const world = await startDelegationWorld(t, env);
  const eve = await enrolPerson(world, { name: 'Eve' });
  const input = { agentId: world.agent.id, resource: world.resource.identifier, scopes: ['read'] };
  const give = async (personId: `usr_${string}`) =>
    giveDelegation(world.depsOf(world.process), personId, input, await world.actingAs(eve));
  await t.throwsAsync(give(world.ada.person.id), { instanceOf: TypeError });
  t.deepEqual(await world.active(), []);
  t.is((await give(eve.person.id)).change, 'given');
});

for (const [what, end] of Object.entries({
  'their session is ended': (store: Store, personId: string) =>
    store.commit({ changes: [{ kind: 'end-passes', passKind: 'session', personId }], events: [] }),
  'they are killed': (store: Store, personId: string, world: DelegationWorld) =>
    killPerson({ people: store, credentials: store, freshness: store }, personId, world.origin()),
})) {
  for (const first of ['gives', 'gives again']) {
    onEachStore(`I6: whoever ${first} a delegation while ${what} has not done it`, async (t, env) => {
      const world = await startDelegationWorld(t, env);
      const other = await world.start();
      const before = first === 'gives' ? [] : [(await world.give()).delegation];
      const hasEnded = justBefore(world.process.store, isDelegation, () =>
        end(other.store, world.ada.person.id, world),
      );
      await t.throwsAsync(world.give({ scopes: ['read', 'write'] }), { message: 'authority-ended' });
      t.true(hasEnded());
      t.deepEqual(await world.active(other), before);
      t.is((await world.trail()).filter(({ type }) => /^delegation/.test(type)).length, before.length);
    });
  }
}

onEachStore(
  'I6: a delegation that is ended while it is given again stays ended, in another process and in this one',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const other = await world.start();
    for (const ender of [other, world.process]) {
      const first = (await world.give()).delegation;
      const hasEnded = justBefore(world.process.store, isDelegation, () =>
        endDelegation(world.depsOf(ender), first.id, world.origin()),
      );
      await t.throwsAsync(world.give({ scopes: ['read', 'write'] }), { message: 'delegation-ended' });
      t.true(hasEnded());
      for (const each of [world.process, other]) {
        t.deepEqual(await world.active(each), []);
        t.true(await isDead(each.store, delegationHandle(first)));
      }
    }
  },
);

onEachStore('I6: a delegation that is given again while it is ended is ended', async (t, env) => {
  const world = await startDelegationWorld(t, env);
  const other = await world.start();
  const first = (await world.give()).delegation;
  const hasGiven = justBefore(other.store, isDelegation, () => world.give({ scopes: ['write'] }));
  const ended = await endDelegation(world.depsOf(other), first.id, world.origin());
  t.true(hasGiven());
  t.like(ended, { status: 'ended', scopes: ['write'], epoch: 2, version: 3 });
  for (const each of [world.process, other]) {
    t.deepEqual(await world.active(each), []);
    t.true(await isDead(each.store, `${first.id}:1`));
  }
});

onEachStore(
  'of gives and ends at once, in two processes, one delegation at most is active, and none with a dead handle',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const processes = [world.process, await world.start()] as const;
    const origin = await world.actingAs(world.ada);
    const scopes = [['read'], ['write'], ['read', 'write']];
    for (let round = 0; round < 6; round += 1) {
      const first = (await world.active())[0];
      await Promise.all([
        ...Array.from({ length: 4 }, (_, index) =>
          giveDelegation(
            world.depsOf(processes[index % 2] as (typeof processes)[0]),
            world.ada.person.id,
            {
              agentId: world.agent.id,
              resource: world.resource.identifier,
              scopes: scopes[(round + index) % 3],
              expiresAt: at(world.now + HOUR_MS),
            },
            origin,
          ).catch(error => t.is(error.message, 'delegation-ended')),
        ),
        ...(first
          ? processes.map(process => endDelegation(world.depsOf(process), first.id, world.origin()))
          : []),
      ]);
      for (const process of processes) {
        const active = await world.active(process);
        t.true(active.length <= 1, `round ${round}`);
        t.false(
          active.some(({ id }) => id === first?.id),
          `round ${round}: an acknowledged end was undone`,
        );
        for (const each of active) t.false(await isDead(process.store, delegationHandle(each)));
        if (first) t.true(await isDead(process.store, delegationHandle(first)));
      }
    }
    const all = await world.process.store.listDelegations({ limit: 200 });
    const inserted = (await world.eventsOf('delegation.given')).length;
    t.is(all.items.length, inserted, 'each that was given is in the trail, and no other');
  },
);

onEachStore(
  'a kill of person, agent or resource server suspends a delegation, and nothing is written to it; restored, it goes on',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const { store } = world.process;
    const { delegation } = await world.give();
    const deps = world.depsOf(world.process);
    const status = async () => (await judgeDelegation(deps, delegation, world.now)).status;
    t.is(await status(), 'active');
    await killAgent({ agents: store, freshness: store }, world.agent.id, world.origin());
    t.is(await status(), 'suspended');
    t.true(await isDead(store, `${world.agent.id}:0`), 'its tokens died by the agent');
    await restoreAgent({ ...deps, agents: store }, world.agent.id, world.origin());
    t.is(await status(), 'active');
    t.true(await isDead(store, `${world.agent.id}:0`), 'what had died stays dead');
    const person = { people: store, credentials: store, freshness: store };
    await killPerson(person, world.ada.person.id, world.origin());
    t.is(await status(), 'suspended');
    await restorePerson(
      { people: store, freshness: store, findStrongerAgents: async () => [] },
      world.ada.person.id,
      world.origin(),
    );
    t.is(await status(), 'active');
    await killResource({ resources: store, freshness: store }, world.resource.id, world.origin());
    t.is(await status(), 'suspended');
    t.deepEqual(await store.findDelegation(delegation.id), delegation);
    await endDelegation(deps, delegation.id, world.origin());
    t.is(
      (
        await judgeDelegation(
          deps,
          (await world.process.store.findDelegation(delegation.id)) ?? delegation,
          world.now,
        )
      ).status,
      'ended',
    );
  },
);

whateverTheStore(
  'I2: what a delegation allows shrinks with the envelope, the catalogue and the risk of a scope, and never grows by them',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const { store } = world.process;
    const managed = { agents: store, people: store, resources: store, freshness: store };
    const { delegation } = await world.give({ scopes: ['read', 'write'] });
    const allowed = async () => {
      const [agent, resource] = [
        await store.findAgent(world.agent.id),
        await store.findResource(world.resource.id),
      ];
      return agent && resource && delegatedScopes(delegation, agent, resource);
    };
    t.deepEqual(await allowed(), ['read', 'write']);
    const narrow = { envelope: [{ resource: world.resource.identifier, scopes: ['write', 'delete'] }] };
    await updateAgent(managed, world.agent.id, '*', narrow, world.origin());
    t.deepEqual(await allowed(), ['write']);
    const risky = { scopes: world.resource.scopes.map(scope => ({ ...scope, risk: 'high' })) };
    await updateResource(managed, world.resource.id, '*', risky, world.origin());
    t.deepEqual(await allowed(), []);
    const gone = { scopes: [{ name: 'read', sentence: 'Read orders', risk: 'low' }] };
    await updateResource(managed, world.resource.id, '*', gone, world.origin());
    t.deepEqual(await allowed(), []);
    t.deepEqual(
      delegatedScopes(delegation, world.agent, { ...world.resource, id: ADMIN_API_RESOURCE_ID }),
      [],
      'nothing of our own API',
    );
  },
);

onEachStore(
  'delegations are listed whole: of a person, of an agent, by what they are now',
  async (t, env) => {
    const world = await startDelegationWorld(t, env);
    const deps = world.depsOf(world.process);
    const agents = await Promise.all(Array.from({ length: 6 }, () => world.addAgent()));
    const given = [];
    for (const { id } of agents) {
      world.now += 1_000;
      given.push((await world.give({ agentId: id })).delegation);
    }
    const [ended, stopped] = given;
    if (!ended || !stopped) throw new Error('none was given');
    await endDelegation(deps, ended.id, world.origin());
    const { store } = world.process;
    await killAgent({ agents: store, freshness: store }, stopped.agentId, world.origin());
    const ids = async (filter: Parameters<typeof eachDelegation>[1], now = world.now) => {
      const found: string[] = [];
      for await (const { delegation } of eachDelegation(deps, filter, now)) found.push(delegation.id);
      return found;
    };
    const personId = world.ada.person.id;
    t.deepEqual(
      await ids({ personId }),
      given.map(({ id }) => id),
    );
    t.deepEqual(await ids({ personId: newId('usr', world.now) }), []);
    t.deepEqual(await ids({ agentId: stopped.agentId }), [stopped.id]);
    t.deepEqual(await ids({ personId, status: 'ended' }), [ended.id]);
    t.deepEqual(await ids({ personId, status: 'suspended' }), [stopped.id]);
    t.is((await ids({ resource: `${world.resource.identifier}/`, status: 'active' })).length, 4);
    t.deepEqual((await ids({ status: 'expired' }, world.now + HOUR_MS)).length, 5);
    // By pages that hold less than one would like: none is left out, none comes twice.
    const paged: string[] = [];
    let after: string | undefined;
    do {
      const page = await listDelegations(deps, { personId, status: 'active', limit: 1, after }, world.now);
      paged.push(...page.items.map(({ delegation }) => delegation.id));
      after = page.next;
    } while (after !== undefined);
    t.deepEqual(
      paged,
      given.slice(2).map(({ id }) => id),
    );
  },
);
