import { createSecretKey, randomBytes } from 'node:crypto';
import { sealingKey } from '../../src/keys/index.ts';
import { createPerson, findSession, proveFactor, resealCredentials } from '../../src/people/index.ts';
import { beginSignIn, codeOf, enrolPerson, type SignInProcess, startSignInWorld } from '../support/people.ts';
import { whateverTheStore } from '../support/stores.ts';

whateverTheStore(
  'after a change of key-encryption keys people sign in as before, also where the former one is gone',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { store, deps } = world.process;
    const people = [await enrolPerson(world), await enrolPerson(world)];
    await createPerson({ people: store }, { name: 'Nobody who signs in', roles: ['member'] }, world.origin());
    const newer = sealingKey(createSecretKey(randomBytes(32)));
    // Both are configured, as while processes are started anew.
    const sealing: typeof newer = {
      ...newer,
      unseal: (sealed, context) => (newer.isCurrent(sealed) ? newer : deps.sealing).unseal(sealed, context),
    };
    const ports = { people: store, credentials: store, freshness: store, sealing };
    const [one, other] = await Promise.all([
      resealCredentials(ports, world.origin()),
      resealCredentials(ports, world.origin()),
    ]);
    t.true(one + other >= 2);
    t.is(await resealCredentials(ports, world.origin()), 0);
    const rows = (await world.trail()).filter(({ type }) => type === 'person.credential-resealed');
    t.deepEqual(rows.map(({ target }) => target).sort(), people.map(({ person }) => person.id).sort());

    const later: SignInProcess = { ...world.process, deps: { ...deps, sealing: newer } };
    for (const ada of people) {
      t.truthy(await findSession(later.deps, ada.session, world.origin()), 'nobody is signed out by it');
      const pending = await beginSignIn(world, ada, later);
      const code = codeOf(ada.seed, world.now);
      t.truthy(await proveFactor(later.deps, pending, { code }, world.origin()));
    }
  },
);
