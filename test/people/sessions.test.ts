import {
  assertFactorFresh,
  endListedSession,
  endOtherSessions,
  endSession,
  findPendingSignIn,
  findSession,
  isRequestToken,
  killPerson,
  listSessions,
  type PersonSession,
  proveFactor,
  requestToken,
  restorePerson,
  startSignIn,
} from '../../src/people/index.ts';
import {
  beginSignIn,
  codeOf,
  enrolPerson,
  PASSWORD,
  type SignInWorld,
  type SigningPerson,
  signIn,
  startSignInWorld,
} from '../support/people.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

const MINUTE = 60_000;

const sessionOf = async (world: SignInWorld, value: string): Promise<PersonSession> => {
  const session = await findSession(world.process.deps, value, world.origin());
  if (!session) throw new Error('there is no session');
  return session;
};

async function later(world: SignInWorld, ada: SigningPerson): Promise<string> {
  world.now += MINUTE;
  return signIn(world, ada);
}

onEachStore(
  'R094: a sign-in makes a session with a value of its own, which is stored nowhere; signing out ends it in every process',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const ada = await enrolPerson(world);
    const pending = await beginSignIn(world, ada);
    const code = codeOf(ada.seed, world.now);
    const { value, session } = await proveFactor(world.process.deps, pending, { code }, world.origin());
    t.not(value, pending);
    t.regex(value, /^[\w-]{43}$/);
    t.is(await findPendingSignIn(world.process.deps, pending, world.origin()), undefined);
    const passes = await world.process.deps.passes.listPasses('session', ada.person.id);
    t.false(JSON.stringify([passes, await world.trail()]).includes(value));
    t.deepEqual(session.amr, ['pwd', 'otp', 'mfa']);
    const other = await world.start();
    t.is((await findSession(other.deps, value, world.origin()))?.id, session.id);
    await endSession(world.process.deps, value, world.origin());
    t.is(await findSession(other.deps, value, world.origin()), undefined);
    const ended = (await world.trail()).findLast(({ type }) => type === 'person.session-ended');
    t.like(ended, { target: ada.person.id, detail: { session: session.id } });
  },
);

onEachStore(
  'R094: a session ends fifteen minutes after its last use, and twelve hours after it began however it is used',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const ada = await enrolPerson(world);
    const idle = await signIn(world, ada);
    const value = await later(world, ada);
    const began = world.now;
    for (let used = 0; used < 51; used += 1) {
      world.now += 14 * MINUTE;
      t.truthy(await findSession(world.process.deps, value, world.origin()));
      if (used === 0) {
        world.now += MINUTE - 1;
        t.truthy(await findSession(world.process.deps, value, world.origin()));
        t.is(await findSession(world.process.deps, idle, world.origin()), undefined);
      }
    }
    world.now = began + 12 * 60 * MINUTE - 1;
    t.truthy(await findSession(world.process.deps, value, world.origin()));
    world.now += 1;
    t.is(await findSession(world.process.deps, value, world.origin()), undefined);
  },
);

whateverTheStore('one sees and ends one’s own sessions, and nobody else’s', async (t, env) => {
  const world = await startSignInWorld(t, env);
  const { deps } = world.process;
  const [ada, bob] = [await enrolPerson(world), await enrolPerson(world)];
  await endSession(deps, ada.session, world.origin());
  const [first, second, third] = [await signIn(world, ada), await later(world, ada), await later(world, ada)];
  const others = await signIn(world, bob);
  const mine = await sessionOf(world, third);
  const listed = await listSessions(deps, mine, world.origin());
  t.is(listed.length, 3);
  t.deepEqual(
    listed.map(({ isCurrent }) => isCurrent),
    [true, false, false],
  );
  t.false(JSON.stringify(listed).includes(first));
  await endListedSession(deps, mine, (await sessionOf(world, others)).id, world.origin());
  t.truthy(await findSession(deps, others, world.origin()));
  await endListedSession(deps, mine, (await sessionOf(world, first)).id, world.origin());
  t.is(await findSession(deps, first, world.origin()), undefined);
  t.is(await endOtherSessions(deps, mine, world.origin()), 1);
  t.is(await findSession(deps, second, world.origin()), undefined);
  t.truthy(await findSession(deps, third, world.origin()));
  t.truthy(await findSession(deps, others, world.origin()));
});

onEachStore(
  'who is disabled has no session from then on, in any process, nor after being enabled again',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { store } = world.process;
    const other = await world.start();
    const ada = await enrolPerson(world);
    const value = await signIn(world, ada);
    t.truthy(await findSession(other.deps, value, world.origin()));
    const people = {
      people: store,
      credentials: store,
      freshness: store,
      findStrongerAgents: async () => [],
    };
    await killPerson(people, ada.person.id, world.origin());
    t.is(await findSession(other.deps, value, world.origin()), undefined);
    await t.throwsAsync(beginSignIn(world, ada), { message: 'sign-in-refused' });
    await restorePerson(people, ada.person.id, world.origin());
    t.is(await findSession(other.deps, value, world.origin()), undefined);
    t.truthy(await later(world, ada));
  },
);

whateverTheStore(
  'I15: an unknown address, a wrong password, somebody who never enrolled and somebody disabled look alike, and differ in the trail',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps, store } = world.process;
    const [ada, bob] = [await enrolPerson(world), await enrolPerson(world)];
    await killPerson({ people: store, credentials: store, freshness: store }, bob.person.id, world.origin());
    const tries = [
      ['person-unknown', 'nobody@example.com', PASSWORD],
      ['wrong-password', ada.email, 'wrong'],
      ['person-disabled', bob.email, PASSWORD],
      ['person-unknown', '', ''],
    ] as const;
    for (const [cause, email, password] of tries) {
      const error = await t.throwsAsync(startSignIn(deps, { email, password }, world.origin()));
      t.is(error?.message, 'sign-in-refused');
      t.deepEqual((error as { detail?: unknown } | undefined)?.detail, {}, cause);
      world.now += MINUTE;
      const last = (await world.trail()).findLast(({ type }) => type === 'person.sign-in-refused');
      t.is(last?.reason, cause);
    }
  },
);

onEachStore(
  'I16: tries with one address are limited in all processes together, known or unknown, and no longer after the period',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    world.now = Math.ceil(world.now / 900_000) * 900_000;
    const processes = [world.process, await world.start()] as const;
    for (let tries = 0; tries < 20; tries += 1) {
      const { deps } = processes[tries % 2] as (typeof processes)[0];
      await t.throwsAsync(startSignIn(deps, { email: 'X@example.com', password: 'x' }, world.origin()), {
        message: 'sign-in-refused',
      });
    }
    const late = await world.start();
    const again = () => startSignIn(late.deps, { email: 'x@example.com', password: 'x' }, world.origin());
    const error = await t.throwsAsync(again(), { message: 'sign-in-limited' });
    t.like(error, { detail: { retryAfterSeconds: 900 } });
    world.now += 900_000;
    await t.throwsAsync(again(), { message: 'sign-in-refused' });
  },
);

whateverTheStore('R116: a factor that was proved five minutes ago is not fresh', async (t, env) => {
  const world = await startSignInWorld(t, env);
  const ada = await enrolPerson(world);
  const session = await sessionOf(world, await signIn(world, ada));
  t.notThrows(() => assertFactorFresh(session, world.now + 299_999));
  t.throws(() => assertFactorFresh(session, world.now + 300_000), { message: 'step-up-required' });
});

whateverTheStore('S86: a form is for one holder and one action', async (t, env) => {
  const world = await startSignInWorld(t, env);
  const ada = await enrolPerson(world);
  const [value, other] = [ada.session, await signIn(world, ada)];
  const token = requestToken(value, 'POST /me');
  t.true(isRequestToken(value, 'POST /me', token));
  for (const [holder, action, sent] of [
    [other, 'POST /me', token],
    [value, 'POST /me/sessions', token],
    [value, 'POST /me', ''],
    [value, 'POST /me', undefined],
    [value, 'POST /me', [token]],
  ] as const) {
    t.false(isRequestToken(holder, action, sent));
  }
});
