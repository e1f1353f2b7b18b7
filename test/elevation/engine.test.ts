/** From asking to countersigned, refused or over: each step, who may make it, and what it leaves. */
import { killAgent, restoreAgent, updateAgent } from '../../src/agents/index.ts';
import { endDelegation } from '../../src/delegation/index.ts';
import type { Elevation } from '../../src/elevation/index.ts';
import { killPerson, restorePerson } from '../../src/people/index.ts';
import { killResource, restoreResource, updateResource } from '../../src/resources/index.ts';
import { codeOf, enrolPerson, type SigningPerson, signIn } from '../support/people.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';
import { type ElevationWorld, reasonOf, startElevationWorld } from './elevation-world.ts';

whateverTheStore(
  'what an agent asks for itself, its owner countersigns, and it gets that once',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const { asker, ada, resource } = world;
    const asked = await world.ask({ reason: 'nightly clean-up', duration: '120' });
    t.regex(asked.code, /^cs_dc_[\w-]{48}$/);
    t.is(asked.expiresIn, 660);
    t.like(asked.elevation, {
      status: 'pending',
      agentId: asker.id,
      subject: asker.id,
      approverId: ada.person.id,
      scopes: ['read', 'write'],
      beyond: ['write'],
      seconds: 120,
      reason: 'nightly clean-up',
      decideBy: world.now + 600_000,
    });
    t.regex(asked.elevation.bindingCode, /^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/);
    t.false(JSON.stringify(asked.elevation).includes(asked.code), 'the code itself is not kept');
    t.is(await reasonOf(world.redeem(asked)), 'elevation-pending');
    const { id } = asked.elevation;
    const { shown } = await world.display(id);
    t.like(shown, {
      agent: { id: asker.id },
      owner: { id: ada.person.id, name: 'Ada' },
      subject: { id: asker.id },
      resource: { identifier: resource.identifier },
      held: [{ name: 'read', sentence: 'Read orders', risk: 'low' }],
      scopes: [{ name: 'read' }, { name: 'write', sentence: 'Change orders', risk: 'medium' }],
      seconds: 120,
      reason: 'nightly clean-up',
      bindingCode: asked.elevation.bindingCode,
    });
    const approved = await world.approve(id);
    t.is(approved.approval?.expiresAt, world.now + 120_000);
    world.now += 5_000;
    const token = await world.redeem(asked);
    t.like(token, { scope: 'read write', expires_in: 115, token_type: 'Bearer' });
    const live = await world.introspect(token.access_token);
    t.like(live, {
      sub: asker.id,
      client_id: asker.id,
      aud: resource.identifier,
      scope: 'read write',
      approval: {
        id,
        by: ada.person.id,
        amr: ['pwd', 'otp', 'mfa'],
        acr: 'urn:countersign:acr:countersigned',
        auth_time: Math.floor((world.now - 5_000) / 1_000),
        digest: approved.approval?.digest,
      },
    });
    t.is(await reasonOf(world.redeem(asked)), 'elevation-redeemed', 'R076: one redemption only');
    world.now += 115_000;
    t.is(await world.introspect(token.access_token), undefined, 'dead when its time is over');
    t.is(await world.sweep(), 1);
    t.is(await world.sweep(), 0, 'its end is recorded once');
    t.deepEqual(await world.trailOf(id), [
      'elevation.asked',
      'elevation.displayed',
      'elevation.approved',
      'elevation.redeemed',
      'elevation.redeem-refused',
      'elevation.ended',
    ]);
  },
);

whateverTheStore('beyond a delegation its person countersigns, and nobody else', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const { agent, ada } = world;
  const owner = await enrolPerson(world, { name: 'Olga Owner' });
  const owned = await world.addAgent({ ownerId: owner.person.id });
  const { delegation } = await world.give({ agentId: owned.id });
  const asked = await world.ask({ agent: owned, delegation, scope: 'read delete' });
  const { id, approverId, subject, actors, seconds } = asked.elevation;
  t.deepEqual([approverId, subject, actors, seconds], [ada.person.id, ada.person.id, [owned.id], 900]);
  t.is(
    await reasonOf(world.display(id, owner)),
    'elevation-not-yours',
    'the owner of the agent is somebody else',
  );
  t.is(await reasonOf(world.approve(id, { person: owner, digest: 'any' })), 'elevation-not-yours');
  t.is(await reasonOf(world.deny(id, { person: owner })), 'elevation-not-yours');
  t.is((await world.find(id)).version, 1, 'nothing is changed by it');
  t.true((await world.trailOf(id)).includes('elevation.decide-refused'));
  const { shown } = await world.display(id);
  t.like(shown, {
    agent: { id: owned.id },
    owner: { id: owner.person.id, name: 'Olga Owner' },
    subject: { id: ada.person.id },
    delegation: { id: delegation.id, expiresAt: new Date(delegation.expiresAt).toISOString() },
    held: [{ name: 'read' }],
    scopes: [{ name: 'read' }, { name: 'delete', risk: 'high' }],
  });
  await world.approve(id);
  t.is(
    await reasonOf(world.redeem(asked, { agent })),
    'elevation-code-unknown',
    'I3: another agent with the code',
  );
  const token = await world.redeem(asked, { agent: owned });
  t.is(token.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token');
  t.like(await world.introspect(token.access_token), {
    sub: ada.person.id,
    act: { sub: owned.id },
    delegation_id: delegation.id,
    scope: 'read delete',
    approval: { id, by: ada.person.id },
  });
  await endDelegation(world.depsOf(world.process), delegation.id, world.origin());
  t.is(await world.introspect(token.access_token), undefined, 'it dies with the delegation');
});

whateverTheStore('what is not possible is refused at once, and nothing waits', async (t, env) => {
  const world = await startElevationWorld(t, env);
  t.is(await reasonOf(world.tryAsk({ scope: 'read burn' })), 'scope-unknown');
  const narrow = await world.addAgent({
    envelope: [{ resource: world.resource.identifier, scopes: ['read'] }],
  });
  t.is(await reasonOf(world.tryAsk({ agent: narrow })), 'scope-beyond-envelope', 'R072');
  for (const duration of ['0', '-1', '1.5', '1e3', 'soon', ' 60', '9'.repeat(10)]) {
    t.like(await world.tryAsk({ duration }), { outcome: 'refuse', reason: 'elevation-duration-malformed' });
  }
  t.is((await world.ask({ duration: '86400' })).elevation.seconds, 900, 'what is asked is narrowed first');
  const ending = await world.addAgent({ expiresAt: new Date(world.now + 90_000).toISOString() });
  t.is((await world.ask({ agent: ending, scope: 'write' })).elevation.seconds, 90, 'to the end of the agent');
  const { delegation } = await world.give({ expiresAt: new Date(world.now + 60_000).toISOString() });
  t.is((await world.ask({ agent: world.agent, delegation, scope: 'write' })).elevation.seconds, 60);

  const { person: unable } = await enrolPerson(world, { name: 'Nobody' });
  const credential = await world.process.store.findCredential(unable.id);
  if (!credential) throw new Error('there is none');
  const { totp: _, ...without } = credential;
  await world.process.store.commit({
    changes: [
      {
        kind: 'replace',
        collection: 'person-credential',
        record: { ...without, version: credential.version + 1 },
        ifVersion: credential.version,
      },
    ],
    events: [],
    authority: { none: 'host-command' },
  });
  const ofUnable = await world.addAgent({ ownerId: unable.id });
  t.like(await world.tryAsk({ agent: ofUnable, scope: 'write' }), {
    outcome: 'refuse',
    reason: 'elevation-approver-cannot-countersign',
  });
  const { resource } = world;
  await updateResource(
    { resources: world.process.store, freshness: world.process.store },
    resource.id,
    '*',
    { tokenFormat: { kind: 'jwt', alg: 'ES256' } },
    world.origin(),
  );
  t.like(await world.tryAsk({ scope: 'write' }), {
    outcome: 'refuse',
    reason: 'elevation-resource-takes-jwts',
  });
  t.is((await world.eventsOf('elevation.asked')).length, 3);
});

whateverTheStore(
  'identical requests wait together: one decision, one redemption, and sixteen codes at most',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const first = await world.ask({ reason: 'the first reason' });
    world.now += 10_000;
    const second = await world.ask({ reason: 'another one', scope: 'write read' });
    t.true(second.isJoined);
    t.is(second.elevation.id, first.elevation.id);
    t.not(second.code, first.code, 'a code of its own');
    t.like(second.elevation, {
      bindingCode: first.elevation.bindingCode,
      decideBy: first.elevation.decideBy,
      reason: 'the first reason',
    });
    t.is(second.expiresIn, 650, 'which ends with the others');
    for (const other of [{ duration: '60' }, { scope: 'write' }, { proofKey: 'a key' }] as const) {
      t.not((await world.ask(other)).elevation.id, first.elevation.id, JSON.stringify(other));
    }
    for (let more = 0; more < 14; more += 1) await world.ask();
    t.like(await world.tryAsk(), { outcome: 'refuse', reason: 'elevation-asked-too-often' });
    await world.approve(first.elevation.id);
    const token = await world.redeem(second);
    t.is(await reasonOf(world.redeem(first)), 'elevation-redeemed');
    t.truthy(await world.introspect(token.access_token));
    const next = await world.ask();
    t.false(next.isJoined, 'what is decided waits no longer');
    t.not(next.elevation.id, first.elevation.id);
  },
);

whateverTheStore('I16: an agent that asks for ever other things fills nobody’s inbox', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const asked = [];
  for (let index = 0; index < 20; index += 1) asked.push(await world.ask({ duration: String(60 + index) }));
  t.like(await world.tryAsk({ duration: '90' }), { outcome: 'refuse', reason: 'elevation-too-many-waiting' });
  t.true((await world.ask({ duration: '60' })).isJoined, 'what waits already may be asked for again');
  const other = await world.addAgent();
  t.is(
    (await world.ask({ agent: other, scope: 'write' })).outcome,
    'deferred',
    'another agent is not kept from it',
  );
  await world.deny(asked[0]?.elevation.id ?? '');
  t.is((await world.ask({ duration: '90' })).outcome, 'deferred');
});

onEachStore('twelve identical requests at once, in two processes, wait as one', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const other = await world.start();
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, index) => world.ask({ process: index % 2 ? other : world.process })),
  );
  t.is(new Set(outcomes.map(({ elevation }) => elevation.id)).size, 1);
  t.is(new Set(outcomes.map(({ code }) => code)).size, outcomes.length);
  t.is(outcomes.filter(({ isJoined }) => !isJoined).length, 1);
  t.is((await world.find(outcomes[0]?.elevation.id ?? '')).codes.length, outcomes.length);
});

whateverTheStore(
  'R074: an approval needs a fresh code for this request, and what it is shown',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const { ada } = world;
    const session = await signIn(world, ada);
    const asked = await world.ask();
    const { id } = asked.elevation;
    const unchanged = async (why: string) => t.deepEqual(await world.find(id), asked.elevation, why);
    const used = codeOf(ada.seed, world.now);
    t.is(
      await reasonOf(world.approve(id, { session, code: used })),
      'factor-refused',
      'R090: the code of the sign-in',
    );
    await unchanged('a used code');
    t.is(await reasonOf(world.approve(id, { session, code: '000000' })), 'factor-refused');
    await unchanged('a wrong code');
    t.is(await reasonOf(world.approve(id, { session: 'x'.repeat(43) })), 'sign-in-expired');
    await unchanged('no session');
    world.now += 30_000;
    const fresh = codeOf(ada.seed, world.now);
    await world.approve(id, { session, code: fresh });
    const second = await world.ask({ duration: '60' });
    t.is(
      await reasonOf(world.approve(second.elevation.id, { session, code: fresh })),
      'factor-refused',
      'the same code for another request',
    );
    t.is((await world.find(second.elevation.id)).status, 'pending');
  },
);

onEachStore('one code on twenty requests at once, in two processes, approves one', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const other = await world.start();
  const asked = [];
  for (let index = 0; index < 10; index += 1) asked.push(await world.ask({ duration: String(60 + index) }));
  const shown = await Promise.all(asked.map(({ elevation }) => world.display(elevation.id)));
  const code = codeOf(world.ada.seed, world.now);
  const outcomes = await Promise.allSettled(
    asked.map(({ elevation }, index) =>
      world.approve(elevation.id, {
        code,
        digest: shown[index]?.digest ?? '',
        process: index % 2 ? other : world.process,
      }),
    ),
  );
  t.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  const statuses = await Promise.all(asked.map(({ elevation }) => world.find(elevation.id)));
  t.is(statuses.filter(({ status }) => status === 'approved').length, 1);
  t.is((await world.eventsOf('elevation.approved')).length, 1);
});

whateverTheStore(
  'I4, R077: what is not what was shown is not approved, and the request is over',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const managed = {
      agents: world.process.store,
      people: world.process.store,
      resources: world.process.store,
    };
    const rename = (name: string) =>
      updateAgent(
        { ...managed, freshness: world.process.store },
        world.asker.id,
        '*',
        { name },
        world.origin(),
      );
    const asked = await world.ask();
    const { id } = asked.elevation;
    const { digest = '' } = await world.display(id);
    await rename('Another name');
    const code = codeOf(world.ada.seed, world.now);
    t.is(await reasonOf(world.approve(id, { digest, code })), 'elevation-digest-differs');
    t.like(await world.find(id), { status: 'cancelled', cancelReason: 'changed' });
    t.is(await reasonOf(world.redeem(asked)), 'elevation-cancelled');
    const again = await world.ask();
    await world.approve(again.elevation.id, { code });
    t.pass('the code was not used up by what was refused');
    await rename('A third name');
    t.is(await reasonOf(world.redeem(again)), 'elevation-cancelled', 'nor is it issued');
    t.like(await world.find(again.elevation.id), { status: 'cancelled', cancelReason: 'changed' });
  },
);

onEachStore('I6: a denial beats an approval, whichever comes first', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const other = await world.start();
  const first = await world.ask();
  await world.deny(first.elevation.id, { reason: 'not-expected' });
  t.is(await reasonOf(world.approve(first.elevation.id)), 'elevation-denied');
  t.is(await reasonOf(world.redeem(first)), 'elevation-denied');
  t.is(await reasonOf(world.deny(first.elevation.id)), 'elevation-denied', 'final is final');

  const second = await world.ask();
  await world.approve(second.elevation.id);
  const token = await world.redeem(second, { process: other });
  t.truthy(await world.introspect(token.access_token));
  t.is((await world.deny(second.elevation.id)).status, 'revoked');
  for (const process of [world.process, other]) {
    t.is(
      await world.introspect(token.access_token, process),
      undefined,
      'its token is dead in every process',
    );
  }
  world.now += 30_000;
  const third = await world.ask();
  const { digest = '' } = await world.display(third.elevation.id);
  const [approval, denial] = await Promise.allSettled([
    world.approve(third.elevation.id, { digest, process: other }),
    world.deny(third.elevation.id),
  ]);
  t.is(denial.status, 'fulfilled', 'it is never kept from its end');
  t.is((await world.find(third.elevation.id)).status, approval.status === 'fulfilled' ? 'revoked' : 'denied');
  t.regex(await reasonOf(world.redeem(third)), /^elevation-(denied|revoked)$/);
});

onEachStore('fifty redemptions at once, in two processes, give one token', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const other = await world.start();
  const asked = await world.ask();
  await world.approve(asked.elevation.id);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) =>
      world.redeem(asked, { process: index % 2 ? other : world.process }),
    ),
  );
  const tokens = outcomes.filter(outcome => outcome.status === 'fulfilled');
  t.is(tokens.length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') t.is(outcome.reason.reason, 'elevation-redeemed');
  }
  t.is((await world.eventsOf('token.issued')).length, 1);
  t.is((await world.eventsOf('elevation.redeemed')).length, 1);
});

whateverTheStore(
  'R073: whatever it rests on ends between ask, approval and redemption: over',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    const { store } = world.process;
    const managed = {
      agents: store,
      people: store,
      credentials: store,
      resources: store,
      freshness: store,
      findStrongerAgents: async () => [],
    };
    const owner = await enrolPerson(world, { name: 'Olga Owner' });
    const cases: Record<string, (owned: Awaited<ReturnType<typeof world.addAgent>>) => Promise<unknown>> = {
      'the envelope is narrowed': owned =>
        updateAgent(
          managed,
          owned.id,
          '*',
          { envelope: [{ resource: world.resource.identifier, scopes: ['read'] }] },
          world.origin(),
        ),
      'the agent is killed': owned => killAgent(managed, owned.id, world.origin()),
      'the resource server is killed': () => killResource(managed, world.resource.id, world.origin()),
      'the factor is changed': () => replaceFactor(world, owner),
      'the approver is disabled': () => killPerson(managed, owner.person.id, world.origin()),
    };
    for (const [why, end] of Object.entries(cases)) {
      for (const after of ['ask', 'approval'] as const) {
        const owned = await world.addAgent({ ownerId: owner.person.id });
        const session = await signIn(world, owner);
        world.now += 60_000;
        const asked = await world.ask({ agent: owned, scope: 'write' });
        const { id } = asked.elevation;
        const signedIn = { ...owner, session };
        const { digest = '' } = await world.display(id, signedIn);
        if (after === 'approval') await world.approve(id, { person: signedIn, digest });
        world.now += 60_000;
        await end(owned);
        if (after === 'ask') t.not(await reasonOf(world.approve(id, { person: signedIn, digest })), '', why);
        t.is(
          await reasonOf(world.redeem(asked, { agent: owned })),
          'elevation-cancelled',
          `${why} after the ${after}`,
        );
        await restorePerson(managed, owner.person.id, world.origin());
        await restoreResource(managed, world.resource.id, world.origin());
        await restoreAgent(managed, owned.id, world.origin());
        t.is(
          await reasonOf(world.redeem(asked, { agent: owned })),
          'elevation-cancelled',
          'also after a restore',
        );
        t.is(await world.sweep(), 1);
        t.is((await world.find(id)).status, 'cancelled');
      }
    }
  },
);

whateverTheStore('time: decisions close, codes end, and a late fetch gets less', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const late = await world.ask();
  const { digest = '' } = await world.display(late.elevation.id);
  const freshSession = async () => ({ person: { ...world.ada, session: await signIn(world, world.ada) } });
  world.now = late.elevation.decideBy - 1;
  const inTime = await freshSession();
  world.now = late.elevation.decideBy;
  const code = codeOf(world.ada.seed, world.now + 30_000);
  t.is(await reasonOf(world.approve(late.elevation.id, { ...inTime, digest, code })), 'elevation-expired');
  t.is(await reasonOf(world.redeem(late)), 'elevation-expired');
  t.is((await world.find(late.elevation.id)).status, 'pending', 'before any sweep');
  const anew = await world.ask();
  t.not(anew.elevation.id, late.elevation.id, 'nothing joins what has run out');
  t.like(await world.find(late.elevation.id), { status: 'expired' } satisfies Partial<Elevation>);

  world.now = anew.elevation.decideBy - 60_000;
  const later = await freshSession();
  world.now += 59_000;
  await world.approve(anew.elevation.id, later);
  world.now += 60_000;
  t.is((await world.redeem(anew)).expires_in, 840, 'approved in the last moment, fetched a minute later');

  const unfetched = await world.ask({ duration: '60' });
  const again = await freshSession();
  world.now += 30_000;
  await world.approve(unfetched.elevation.id, again);
  world.now += 60_000;
  t.is(await reasonOf(world.redeem(unfetched)), 'elevation-expired', 'nothing is left of it');
});

whateverTheStore('an agent withdraws what it asked for, and nobody else does', async (t, env) => {
  const world = await startElevationWorld(t, env);
  const asked = await world.ask({ proofKey: 'a key' });
  const joined = await world.ask({ proofKey: 'a key' });
  t.is(await world.cancel(asked.code, { agent: world.agent, proofKey: 'a key' }), 'unknown');
  t.is(await world.cancel(asked.code), 'key-differs');
  t.is(await world.cancel(`${asked.code.slice(0, -1)}${asked.code.endsWith('A') ? 'B' : 'A'}`), 'unknown');
  t.is((await world.find(asked.elevation.id)).status, 'pending');
  t.is(await reasonOf(world.redeem(asked)), 'elevation-key-differs');
  t.is(await world.cancel(joined.code, { proofKey: 'a key' }), 'cancelled');
  for (const each of [asked, joined]) {
    t.is(await reasonOf(world.redeem(each, { proofKey: 'a key' })), 'elevation-cancelled', 'for all');
  }
  t.is(await reasonOf(world.approve(asked.elevation.id)), 'elevation-cancelled');
  const second = await world.ask();
  await world.approve(second.elevation.id);
  t.is(await world.cancel(second.code), 'cancelled', 'approved and not fetched: never issued');
  t.is(await reasonOf(world.redeem(second)), 'elevation-cancelled');
  world.now += 30_000;
  const third = await world.ask();
  await world.approve(third.elevation.id);
  const token = await world.redeem(third);
  t.is(await world.cancel(third.code), 'unchanged');
  t.truthy(await world.introspect(token.access_token), 'what was fetched stays');
});

/** A changed factor raises the epoch of what a person signs in with, as setting it anew does. */
async function replaceFactor(world: ElevationWorld, { person }: SigningPerson): Promise<void> {
  const { store } = world.process;
  const credential = await store.findCredential(person.id);
  if (!credential) throw new Error('there is none');
  const outcome = await store.commit({
    changes: [
      {
        kind: 'replace',
        collection: 'person-credential',
        record: { ...credential, version: credential.version + 1, epoch: credential.epoch + 1 },
        ifVersion: credential.version,
      },
    ],
    events: [],
    authority: { none: 'host-command' },
  });
  if (!outcome.committed) throw new Error(outcome.conflict);
}
