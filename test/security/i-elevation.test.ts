/** Group I: elevations. Nobody gets more than they have but for what one person was shown, countersigned with a code for it alone. */
import test from 'ava';
import { updateAgent } from '../../src/agents/index.ts';
import { approveElevation, displayElevation } from '../../src/elevation/index.ts';
import { findSession } from '../../src/people/index.ts';
import { updateResource } from '../../src/resources/index.ts';
import { alike, DEFERRED, managed, startWireWorld, type WireWorld } from '../elevation/wire-world.ts';
import { codeOf, type SigningPerson, signIn } from '../support/people.ts';
import { type Answer, introspect } from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

const told = ({ status, json }: Answer) => [status, json.error];

/** A session of the present, and a code that it has not used. */
async function begin({ people }: WireWorld, person: SigningPerson) {
  people.now += 60_000;
  const session = await signIn(people, person);
  people.now += 30_000;
  return { session, code: () => codeOf(person.seed, people.now) };
}

/** Why it is not approved; undefined where it is. */
async function tryApprove(
  world: WireWorld,
  asked: Answer,
  { session, digest, code }: { readonly session: string; readonly digest: string; readonly code: string },
): Promise<string | undefined> {
  const { id } = await world.elevation(asked);
  return approveElevation(world.approveDeps(), session, id, { digest, code }, world.people.origin()).then(
    () => undefined,
    error => error.reason ?? String(error),
  );
}

onEachStore(
  'R072: beyond the envelope it is refused at once; inside it waits, for ten minutes, by a code of 160 random bits',
  async (t, env) => {
    const world = await startWireWorld(t, { env });
    const { app, agent, resource, clock, ada } = world;
    const envelope = [{ resource: resource.identifier, scopes: ['read', 'write'] }];
    await updateAgent(managed(app), agent.id, '*', { envelope }, app.origin());
    const delegation = await world.give();
    for (const refused of [
      await world.ask({ scope: 'delete' }),
      await world.ask({ scope: 'read delete' }),
      await world.exchange(delegation, { scope: 'read delete' }),
    ]) {
      t.deepEqual(told(refused), [400, 'invalid_scope']);
      t.is(refused.json.deferral_code, undefined);
    }
    t.deepEqual(await world.eventsOf('elevation.asked'), [], 'nothing waits');
    const asked = await world.ask();
    t.deepEqual(told(asked), [400, 'authorization_pending']);
    const [code, other] = [asked, await world.ask()].map(({ json }) =>
      Buffer.from(json.deferral_code.slice('cs_dc_'.length), 'base64url'),
    ) as [Buffer, Buffer];
    t.is(code.length, 16 + 20);
    t.deepEqual(code.subarray(0, 16), other.subarray(0, 16), 'after the identifier, which is no secret');
    const differing = code.subarray(16).filter((byte, index) => byte !== other[16 + index]).length;
    t.true(differing >= 12, 'every byte is random');
    const { decideBy, createdAt } = await world.elevation(asked);
    t.is(decideBy - createdAt, 600_000);
    clock.pass(520_000);
    const session = await signIn(world.people, ada);
    const found = await findSession(world.people.process.deps, session, world.people.origin());
    if (!found) return t.fail('there is no session');
    const { id } = await world.elevation(asked);
    const shown = await displayElevation(world.approveDeps() as never, found, id, world.people.origin());
    clock.pass(80_000);
    const late = { session, digest: shown.digest ?? '', code: codeOf(ada.seed, clock()) };
    t.is(await tryApprove(world, asked, late), 'elevation-expired');
    t.deepEqual(told(await world.poll(asked)), [400, 'expired_token']);
  },
);

whateverTheStore(
  'R073: pending, denied, cancelled, expired and revoked are no elevated scope, by any grant',
  async (t, env) => {
    const world = await startWireWorld(t, { env });
    const { clock, resource } = world;
    const delegation = await world.give();
    const states: Readonly<Record<string, (asked: Answer) => Promise<unknown>>> = {
      pending: async () => undefined,
      denied: asked => world.deny(asked),
      cancelled: asked => world.cancel(asked),
      revoked: async asked => {
        await world.approve(asked);
        await world.deny(asked);
      },
      expired: async () => clock.pass(660_000),
    };
    for (const [state, reach] of Object.entries(states)) {
      for (const asked of [await world.ask(), await world.exchange(delegation)]) {
        await reach(asked);
        const code = asked.json.deferral_code;
        t.not((await world.poll(asked)).status, 200, state);
        // Neither does any other grant take it, nor does asking again in plain words.
        const grants = [
          world.ask({ completion_mode: undefined }),
          world.ask({ completion_mode: undefined, deferral_code: code }),
          world.exchange(delegation, { completion_mode: undefined, deferral_code: code }),
          world.exchange(delegation, { completion_mode: undefined, subject_token: code }),
          world.app.post(
            '/token',
            { grant_type: 'refresh_token', refresh_token: code },
            { basic: world.agent.basic },
          ),
          world.app.post('/token', { grant_type: 'authorization_code', code }, { basic: world.agent.basic }),
          world.app.post('/token', { grant_type: DEFERRED, deferral_code: code }),
        ];
        for (const answer of await Promise.all(grants)) {
          t.true(answer.status === 400 || answer.status === 401, `${state}: ${answer.text}`);
          t.is(answer.json.access_token, undefined);
        }
        const plain = await world.ask({ scope: undefined, completion_mode: undefined });
        t.is(plain.json.scope, 'read', 'what it has is what it had');
        t.false((await introspect(world.app, resource, code)).json.active, 'nor is the code a token');
      }
    }
    t.deepEqual(
      (await world.eventsOf('token.issued')).filter(({ scope }) => scope !== 'read'),
      [],
    );
  },
);

whateverTheStore(
  'R074: without a session, a fresh code, or what was shown nothing is approved, and no request of a machine approves',
  async (t, env) => {
    const world = await startWireWorld(t, { env });
    const { app, ada } = world;
    const asked = await world.ask();
    const shown = await world.display(asked);
    const before = await world.elevation(asked);
    const { session, code } = await begin(world, ada);
    const right = { session, digest: shown.digest ?? '', code: code() };
    for (const [what, wrong, reason] of [
      ['no session', { session: 'x'.repeat(43) }, 'sign-in-expired'],
      ['a wrong code', { code: '000000' }, 'factor-refused'],
      ['no code', { code: '' }, 'factor-refused'],
      ['the code of the sign-in', { code: codeOf(ada.seed, world.people.now - 30_000) }, 'factor-refused'],
    ] as const) {
      t.is(await tryApprove(world, asked, { ...right, ...wrong }), reason, what);
      t.deepEqual(await world.elevation(asked), before, what);
      t.is((await world.poll(asked)).json.access_token, undefined);
    }
    // The machine's own endpoints, and a GET of anything.
    const { id } = before;
    for (const path of [`/api/v1/elevations/${id}/approve`, '/token', `/approvals/${id}`]) {
      const answer = await fetch(`${app.base}${path}?code=${right.code}&digest=${right.digest}`, {
        redirect: 'manual',
      });
      t.not(answer.status, 200, path);
      t.deepEqual(await world.elevation(asked), before, path);
    }
    t.is(await tryApprove(world, asked, right), undefined, 'nothing was used up');
    t.is((await world.poll(asked)).status, 200);
  },
);

whateverTheStore(
  'R075: neither the agent, nor who owns it, nor anybody else approves what is for another person, and the attempt is in the trail',
  async (t, env) => {
    const world = await startWireWorld(t, { env });
    const owner = await world.enrol('Olga Owner');
    const owned = await world.addAgent({ ownerId: owner.person.id });
    const delegation = await world.give({ agentId: owned.id });
    const asked = await world.exchange(delegation, {}, { agent: owned });
    t.deepEqual(told(asked), [400, 'authorization_pending']);
    const { digest = '' } = await world.display(asked);
    const before = await world.elevation(asked);
    const stranger = await world.enrol('Eve');
    for (const person of [owner, stranger]) {
      const { session, code } = await begin(world, person);
      t.is(await tryApprove(world, asked, { session, digest, code: code() }), 'elevation-not-yours');
      await t.throwsAsync(world.deny(asked, 'too-much', person), { message: 'elevation-not-yours' });
      await t.throwsAsync(world.display(asked, person), { message: 'elevation-not-yours' });
    }
    // The agent has a client's credentials and a code, and neither is a session.
    for (const session of [owned.basic[1], asked.json.deferral_code]) {
      t.is(await tryApprove(world, asked, { session, digest, code: '000000' }), 'sign-in-expired');
    }
    t.deepEqual(await world.elevation(asked), before);
    const refused = await world.eventsOf('elevation.decide-refused');
    t.deepEqual(
      [...new Set(refused.map(({ actor, target }) => `${actor?.[0]} ${target}`))].sort(),
      [owner, stranger].map(({ person }) => `${person.id} ${before.id}`).sort(),
    );
  },
);

whateverTheStore(
  'R076: scope, resource server and duration are what was shown, and one redemption alone has them',
  async (t, env) => {
    const world = await startWireWorld(t, { env });
    const { resource, clock } = world;
    const asked = await world.ask({ duration: '240' });
    const { shown } = await world.display(asked);
    await world.approve(asked);
    const changed = await world.poll(asked, { form: { scope: 'read write delete', duration: '900' } });
    t.deepEqual(told(changed), [400, 'invalid_request'], 'a poll changes nothing');
    const granted = await world.poll(asked);
    t.is(granted.json.scope, shown?.scopes.map(({ name }) => name).join(' '));
    t.is(granted.json.expires_in, shown?.seconds);
    const token = granted.json.access_token;
    const live = await world.introspect(token);
    t.is(live.aud, shown?.resource.identifier);
    t.is(live.aud, resource.identifier);
    t.is(live.exp - live.iat, 240);
    for (let again = 0; again < 3; again += 1)
      t.deepEqual(told(await world.poll(asked)), [400, 'invalid_grant']);
    t.is((await world.eventsOf('token.issued')).length, 1);
    clock.pass(239_000);
    t.true((await world.introspect(token)).active);
    clock.pass(1_000);
    t.false((await world.introspect(token)).active);
  },
);

whateverTheStore(
  'R077: what was shown cannot be edited: another request is another card, and an old digest approves nothing',
  async (t, env) => {
    const world = await startWireWorld(t, { env });
    const { app, ada, resource } = world;
    const first = await world.ask({ duration: '60' });
    for (const form of [{ duration: '61' }, { scope: 'read write delete' }, { scope: 'write' }]) {
      const other = await world.ask({ duration: '60', ...form });
      t.not(other.json.binding_code, first.json.binding_code);
      t.not((await world.elevation(other)).id, (await world.elevation(first)).id);
    }
    const reworded = await world.ask({ duration: '60', reason: 'and now something else' });
    t.is((await world.elevation(reworded)).reason, '', 'who joins does not change what is shown');
    const { digest = '' } = await world.display(first);
    const scopes = resource.scopes.map(each => ({ ...each, sentence: `${each.sentence}, all of them` }));
    await updateResource(managed(app), resource.id, '*', { scopes }, app.origin());
    const { session, code } = await begin(world, ada);
    t.is(await tryApprove(world, first, { session, digest, code: code() }), 'elevation-digest-differs');
    t.deepEqual(told(await world.poll(first)), [400, 'access_denied']);
    t.regex((await world.poll(first)).json.error_description, /what the approver was shown has changed$/);
    const anew = await world.ask({ duration: '60' });
    t.not((await world.elevation(anew)).id, (await world.elevation(first)).id);
    t.is(
      await tryApprove(world, anew, { session, digest, code: code() }),
      'elevation-digest-differs',
      'nor another one',
    );
  },
);

test('R078: everything that the decision is about is shown, with nothing cut off', async t => {
  const world = await startWireWorld(t);
  const { ada, agent, resource } = world;
  const delegation = await world.give();
  const reason = `Order 7 came broken: ${'x'.repeat(479)}`;
  const asked = await world.exchange(delegation, { scope: 'read delete', duration: '120', reason });
  const { shown } = await world.display(asked);
  t.like(shown, {
    agent: { id: agent.id, name: 'An agent' },
    owner: { id: ada.person.id, name: 'Ada' },
    subject: { id: ada.person.id, name: 'Ada' },
    delegation: { id: delegation.id, expiresAt: new Date(delegation.expiresAt).toISOString() },
    resource: { identifier: resource.identifier, name: resource.name },
    scopes: [
      { name: 'read', sentence: 'Read orders', risk: 'low' },
      { name: 'delete', sentence: 'Delete orders', risk: 'high' },
    ],
    seconds: 120,
    bindingCode: asked.json.binding_code,
  });
  t.is(shown?.reason, reason, '500 characters are shown whole');
});

test('R079: a hostile reason is one line of plain text, and 500 characters of it at most', async t => {
  const world = await startWireWorld(t);
  const hostile = {
    html: '<script>alert(1)</script><img src=x onerror=alert(1)>',
    markdown: '[Approve](https://evil.example) **now**',
    bidi: '\u202Eevorppa\u202C \u2066hidden\u2069',
    'zero-width': 'ap\u200Bpro\u200Dve\uFEFF',
    ansi: '\u001B[2J\u001B[31mapprove\u0007',
    lines: '\n'.repeat(10_000),
    long: 'a'.repeat(50_000),
    controls: '\u0000\u0001\u0085\u2028\u2029x',
  };
  let duration = 60;
  for (const [what, reason] of Object.entries(hostile)) {
    duration += 1;
    const asked = await world.ask({ reason, duration: String(duration) });
    t.deepEqual(told(asked), [400, 'authorization_pending'], what);
    t.false(asked.text.includes('evil'), 'and it is in no answer');
    const { reason: kept } = await world.elevation(asked);
    t.true(kept.length <= 500, what);
    t.notRegex(kept, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, what);
    const shown = (await world.display(asked)).shown;
    t.is(shown?.reason, kept, what);
    t.is((await world.poll(asked)).status, 400, 'nothing is decided by it');
    await world.cancel(asked);
  }
});

whateverTheStore(
  'R073, I3: a code works for the client that it was given to, and the others learn nothing of it',
  async (t, env) => {
    const world = await startWireWorld(t, { env });
    const stranger = await world.addAgent();
    const asked = await world.ask();
    await world.approve(asked);
    const foreign = await world.poll(asked, { agent: stranger });
    const unknown = await world.poll(`cs_dc_${'B'.repeat(48)}`, { agent: stranger });
    t.is(alike(foreign), alike(unknown));
    t.deepEqual(told(foreign), [400, 'invalid_grant']);
    t.is((await world.poll(asked)).status, 200, 'nothing was used up by it');
  },
);
