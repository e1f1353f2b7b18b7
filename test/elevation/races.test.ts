/** What happens between the look and the commit: in another process, after everything was checked and before it is durable. */
import { killAgent, updateAgent } from '../../src/agents/index.ts';
import { endDelegation } from '../../src/delegation/index.ts';
import { endSession } from '../../src/people/index.ts';
import type { Change } from '../../src/store/store.ts';
import { justBefore } from '../support/just-before.ts';
import { codeOf, type SignInProcess } from '../support/people.ts';
import { onEachStore } from '../support/stores.ts';
import { type ElevationWorld, reasonOf, startElevationWorld } from './elevation-world.ts';

const approves = (change: Change) =>
  change.kind === 'replace' && change.collection === 'elevation' && change.record.status === 'approved';
const redeems = (change: Change) => change.kind === 'insert-token';

const managed = ({ store }: SignInProcess) => ({
  agents: store,
  people: store,
  resources: store,
  freshness: store,
});

/** What may happen to a request by another process, and what it is then. */
const HAPPENINGS: Record<
  string,
  (world: ElevationWorld, other: SignInProcess, id: string) => Promise<unknown>
> = {
  'its agent is killed': (world, other) => killAgent(managed(other), world.asker.id, world.origin()),
  'its envelope is narrowed': (world, other) =>
    updateAgent(
      managed(other),
      world.asker.id,
      '*',
      { envelope: [{ resource: world.resource.identifier, scopes: ['read'] }] },
      world.origin(),
    ),
  'it is denied': (world, other, id) => world.deny(id, { process: other }),
};

for (const [what, happen] of Object.entries(HAPPENINGS)) {
  onEachStore(
    `I6: ${what} while it is being approved: it is not, and the code is not used up`,
    async (t, env) => {
      const world = await startElevationWorld(t, env);
      const other = await world.start();
      const asked = await world.ask();
      const { id } = asked.elevation;
      const { digest = '' } = await world.display(id);
      const code = codeOf(world.ada.seed, world.now);
      const before = await world.process.store.findCredential(world.ada.person.id);
      const happened = justBefore(world.process.store, approves, () => happen(world, other, id));
      t.regex(await reasonOf(world.approve(id, { digest, code })), /^elevation-(cancelled|denied)$/);
      t.true(happened());
      t.deepEqual(await world.process.store.findCredential(world.ada.person.id), before);
      t.is((await world.eventsOf('elevation.approved')).length, 0);
      t.regex(await reasonOf(world.redeem(asked)), /^elevation-(cancelled|denied)$/);
    },
  );

  onEachStore(`I6: ${what} while its token is being fetched: there is none`, async (t, env) => {
    const world = await startElevationWorld(t, env);
    const other = await world.start();
    const asked = await world.ask();
    const { id } = asked.elevation;
    await world.approve(id);
    const happened = justBefore(world.process.store, redeems, () => happen(world, other, id));
    t.regex(await reasonOf(world.redeem(asked)), /^elevation-(cancelled|revoked)$/);
    t.true(happened());
    t.is((await world.eventsOf('token.issued')).length, 0);
  });
}

onEachStore(
  'I4: what was shown is changed while it is being approved: it is not, and it is over',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const other = await world.start();
    const asked = await world.ask();
    const { id } = asked.elevation;
    const { digest = '' } = await world.display(id);
    const happened = justBefore(world.process.store, approves, () =>
      updateAgent(managed(other), world.asker.id, '*', { name: 'Another name' }, world.origin()),
    );
    t.is(await reasonOf(world.approve(id, { digest })), 'elevation-digest-differs');
    t.true(happened());
    t.like(await world.find(id), { status: 'cancelled', cancelReason: 'changed' });
  },
);

onEachStore(
  'somebody joins while it is being approved: it is looked at once more, and then approved',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const other = await world.start();
    const asked = await world.ask();
    const { id } = asked.elevation;
    const { digest = '' } = await world.display(id);
    const code = codeOf(world.ada.seed, world.now);
    justBefore(world.process.store, approves, () => world.ask({ process: other }));
    t.is(await reasonOf(world.approve(id, { digest, code })), 'elevation-changed');
    t.is((await world.find(id)).status, 'pending');
    t.is((await world.approve(id, { digest, code })).status, 'approved', 'the code was not used up');
  },
);

onEachStore('the session ends while it is being used to approve: nothing is approved', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const other = await world.start();
  const { elevation } = await world.ask();
  const { digest = '' } = await world.display(elevation.id);
  justBefore(world.process.store, approves, () => endSession(other.deps, world.ada.session, world.origin()));
  t.is(await reasonOf(world.approve(elevation.id, { digest })), 'sign-in-expired');
  t.deepEqual(await world.find(elevation.id), elevation);
});

onEachStore(
  'the time to decide is over while it is being approved: it has expired, and the session goes on',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const { elevation } = await world.ask();
    const { id, decideBy } = elevation;
    world.now = decideBy - 1;
    const { digest = '' } = await world.display(id);
    const code = codeOf(world.ada.seed, world.now);
    const before = await world.process.store.findCredential(world.ada.person.id);
    const happened = justBefore(world.process.store, approves, async () => {
      world.now = decideBy;
    });
    t.is(await reasonOf(world.approve(id, { digest, code })), 'elevation-expired');
    t.true(happened());
    t.deepEqual(await world.find(id), elevation);
    t.deepEqual(await world.process.store.findCredential(world.ada.person.id), before);
    t.is((await world.display(id)).status, 'expired', 'the session still shows it');
  },
);

onEachStore('the agent is killed while it asks: nothing waits', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const other = await world.start();
  const happened = justBefore(
    world.process.store,
    change => change.kind === 'insert' && change.collection === 'elevation',
    () => killAgent(managed(other), world.asker.id, world.origin()),
  );
  t.like(await world.tryAsk(), { outcome: 'refuse', reason: 'elevation-authority-ended' });
  t.true(happened());
  t.is((await world.process.store.listElevations({ limit: 10 })).items.length, 0);
});

onEachStore(
  'a delegation that ends, or is replaced, ends what waits beyond it, and what was approved',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const { agent } = world;
    const endings = {
      'it is ended': (id: string) => endDelegation(world.depsOf(world.process), id, world.origin()),
      'it is replaced by less': () => world.give({ expiresAt: new Date(world.now + 60_000).toISOString() }),
    };
    for (const [why, end] of Object.entries(endings)) {
      for (const isApproved of [false, true]) {
        const { delegation } = await world.give({ expiresAt: new Date(world.now + 600_000).toISOString() });
        const asked = await world.ask({ agent, delegation, scope: 'delete' });
        if (isApproved) await world.approve(asked.elevation.id);
        await end(delegation.id);
        t.is(await reasonOf(world.redeem(asked, { agent })), 'elevation-cancelled', why);
        t.is(
          await reasonOf(world.approve(asked.elevation.id, { digest: 'any' })),
          'elevation-cancelled',
          why,
        );
        world.now += 60_000;
      }
    }
  },
);

onEachStore(
  'after a restore of the deployment nothing that was asked for or approved goes on',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const [waiting, approved] = [await world.ask(), await world.ask({ scope: 'delete' })];
    await world.approve(approved.elevation.id);
    const token = await world.redeem(approved);
    const unfetched = await world.ask({ scope: 'write' });
    world.now += 30_000;
    await world.approve(unfetched.elevation.id);
    await world.process.store.commit({
      changes: [{ kind: 'cut-off', id: 'deployment', epoch: 2, forgetAt: world.now + 86_400_000 }],
      events: [],
    });
    for (const each of [waiting, unfetched]) {
      t.is(await reasonOf(world.redeem(each)), 'elevation-cancelled');
      t.is((await world.find(each.elevation.id)).status, each === waiting ? 'pending' : 'approved');
    }
    t.is(await world.introspect(token.access_token), undefined);
    t.is(await world.sweep(), 2);
  },
);
