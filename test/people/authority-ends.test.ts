/** Whoever signs in, enrols or changes what they sign in with does so only while they, and what they hold it by, have not ended. */
import {
  beginTotp,
  changePassword,
  createPerson,
  endSession,
  finishEnrolment,
  issueEnrolment,
  killPerson,
  openEnrolment,
  proveFactor,
  restorePerson,
  setPassword,
  startSignIn,
} from '../../src/people/index.ts';
import type { Change } from '../../src/store/store.ts';
import { justBefore } from '../support/just-before.ts';
import { beginSignIn, codeOf, enrolPerson, PASSWORD, startSignInWorld } from '../support/people.ts';
import { onEachStore } from '../support/stores.ts';

const isOfKind =
  (...kinds: readonly Change['kind'][]) =>
  ({ kind }: Change): boolean =>
    kinds.includes(kind);

onEachStore(
  'I6: a person who is killed while they sign in begins nothing, at either factor',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps, store } = world.process;
    const other = await world.start();
    const ada = await enrolPerson(world);
    const kill = () =>
      killPerson(
        { people: other.store, credentials: other.store, freshness: other.store },
        ada.person.id,
        world.origin(),
      );
    const restore = () =>
      restorePerson(
        { people: store, freshness: store, findStrongerAgents: async () => [] },
        ada.person.id,
        world.origin(),
      );

    const input = { email: ada.email, password: PASSWORD };
    const hasBeenKilled = justBefore(store, isOfKind('issue-pass'), kill);
    await t.throwsAsync(startSignIn(deps, input, world.origin()), { message: 'sign-in-refused' });
    t.true(hasBeenKilled());
    t.deepEqual(await deps.passes.listPasses('sign-in', ada.person.id), []);
    await restore();

    const pending = await beginSignIn(world, ada);
    const before = await deps.passes.listPasses('session', ada.person.id);
    justBefore(store, isOfKind('issue-pass'), kill);
    const code = codeOf(ada.seed, world.now);
    await t.throwsAsync(proveFactor(deps, pending, { code }, world.origin()), { message: 'sign-in-expired' });
    t.deepEqual(await deps.passes.listPasses('session', ada.person.id), before);
    const signedIn = (await world.trail()).filter(({ type }) => type === 'person.signed-in');
    t.is(signedIn.length, 1, 'by enrolling');
    await restore();
    // The code was not used up by what was not done.
    const again = await beginSignIn(world, ada);
    t.truthy(await proveFactor(deps, again, { code }, world.origin()));
  },
);

onEachStore('I6: a person who is killed while they enrol sets nothing, at no step', async (t, env) => {
  const world = await startSignInWorld(t, env);
  const { deps, store } = world.process;
  const other = await world.start();
  const email = 'eve@example.com';
  const { person } = await createPerson({ people: store }, { name: 'Eve', email }, world.origin());
  const kill = () =>
    killPerson(
      { people: other.store, credentials: other.store, freshness: other.store },
      person.id,
      world.origin(),
    );
  const invite = async () => {
    await restorePerson(
      { people: store, freshness: store, findStrongerAgents: async () => [] },
      person.id,
      world.origin(),
    );
    await store.fresh();
    const current = (await store.findPerson(person.id)) ?? person;
    return (await issueEnrolment(deps, current, 'invitation', [], world.origin())).value;
  };

  const first = await invite();
  justBefore(store, isOfKind('renew-pass'), kill);
  await t.throwsAsync(setPassword(deps, first, PASSWORD, world.origin()), {
    message: 'enrolment-link-invalid',
  });

  const second = await invite();
  await setPassword(deps, second, PASSWORD, world.origin());
  const seed = (await beginTotp(deps, second, world.origin())).secret.replaceAll(' ', '');
  justBefore(store, isOfKind('take-pass'), kill);
  const code = codeOf(seed, world.now);
  await t.throwsAsync(finishEnrolment(deps, second, { code }, world.origin()), {
    message: 'enrolment-link-invalid',
  });
  t.is(await deps.credentials.findCredential(person.id), undefined);
  t.deepEqual(await deps.passes.listPasses('session', person.id), []);
  t.false((await world.trail()).some(({ type }) => type === 'person.enrolled'));
});

onEachStore(
  'I6: what a person signs in with is not changed in a session that has just been ended',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps, store } = world.process;
    const other = await world.start();
    const ada = await enrolPerson(world);
    const known = await deps.credentials.findCredential(ada.person.id);
    // Enrolling was a minute ago: the factor is fresh.
    const value = ada.session;
    const hasEnded = justBefore(store, isOfKind('renew-pass'), () =>
      endSession(other.deps, value, world.origin()),
    );
    const input = { current: PASSWORD, password: 'another horse battery staple' };
    await t.throwsAsync(changePassword(deps, value, input, world.origin()), { message: 'session-required' });
    t.true(hasEnded());
    await store.fresh();
    t.deepEqual(await deps.credentials.findCredential(ada.person.id), known);
  },
);

onEachStore(
  'I6: a link that died with its person stays dead when they are restored, for as long as it would have lived',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps, store } = world.process;
    const { person } = await createPerson({ people: store }, { name: 'Eve' }, world.origin());
    const { value } = await issueEnrolment(deps, person, 'invitation', [], world.origin());
    await killPerson({ people: store, credentials: store, freshness: store }, person.id, world.origin());
    await restorePerson(
      { people: store, freshness: store, findStrongerAgents: async () => [] },
      person.id,
      world.origin(),
    );
    world.now += 6 * 24 * 3_600_000;
    while ((await store.sweep()) > 0);
    const later = await world.start();
    for (const process of [world.process, later]) {
      await t.throwsAsync(openEnrolment(process.deps, value, world.origin()), {
        message: 'enrolment-link-invalid',
      });
    }
  },
);
