import { randomBytes } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import {
  beginTotp,
  beginTotpChange,
  changePassword,
  createPerson,
  findFactors,
  findSession,
  finishEnrolment,
  finishTotpChange,
  invitePerson,
  issueEnrolment,
  killPerson,
  openEnrolment,
  type Person,
  renewRecoveryCodes,
  setEnrolmentDetails,
  setPassword,
  startSignIn,
  stepUp,
  voidCredential,
} from '../../src/people/index.ts';
import {
  codeOf,
  enrolPerson,
  PASSWORD,
  type SignInWorld,
  signIn,
  startSignInWorld,
} from '../support/people.ts';
import { whateverTheStore } from '../support/stores.ts';

async function newPerson(world: SignInWorld, name = 'Ada'): Promise<Person> {
  const email = `${randomBytes(6).toString('hex')}@example.com`;
  const people = world.process.store;
  return (await createPerson({ people }, { name, email }, world.origin())).person;
}

async function isInvalid(t: ExecutionContext, world: SignInWorld, value: string): Promise<void> {
  await t.throwsAsync(openEnrolment(world.process.deps, value, world.origin()), {
    message: 'enrolment-link-invalid',
  });
}

whateverTheStore(
  'R092: an enrolment needs a confirming code, which is burned; until then nothing has changed, and afterwards the link is used up',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps } = world.process;
    const person = await newPerson(world);
    const { link, value } = await issueEnrolment(deps, person, 'invitation', ['usr_1'], world.origin());
    t.is(link, `http://localhost:9/enrol/${value}`);
    t.like(await openEnrolment(deps, value, world.origin()), { hasPassword: false, hasTotp: false });
    const finish = (code: string) => finishEnrolment(deps, value, { code }, world.origin());
    await t.throwsAsync(finish('123456'), { message: 'enrolment-incomplete' });
    await setPassword(deps, value, PASSWORD, world.origin());
    await t.throwsAsync(finish('123456'), { message: 'enrolment-incomplete' });
    const { uri, secret } = await beginTotp(deps, value, world.origin());
    const seed = secret.replaceAll(' ', '');
    t.true(uri.includes(`secret=${seed}`));
    const right = codeOf(seed, world.now);
    await t.throwsAsync(finish(`${(Number(right[0]) + 1) % 10}${right.slice(1)}`), {
      message: 'enrolment-code-wrong',
    });
    t.is(await deps.credentials.findCredential(person.id), undefined);
    const { session, value: cookie } = await finish(right);
    t.is(session.person.id, person.id);
    t.truthy(await findSession(deps, cookie, world.origin()));
    await isInvalid(t, world, value);
    const kept = await deps.credentials.findCredential(person.id);
    t.deepEqual(kept?.vouchedBy, ['usr_1']);
    t.false(JSON.stringify(kept).includes(seed));
    t.false(JSON.stringify(await world.trail()).includes(seed));
    // Burned: the code that confirmed it does not sign in.
    const pending = await startSignIn(deps, { email: person.email, password: PASSWORD }, world.origin());
    t.true(pending.pending.factors.totp);
    await t.throwsAsync(stepUp(deps, cookie, { code: right }, world.origin()), { message: 'factor-refused' });
  },
);

whateverTheStore(
  'an enrolment link is void when a later one is made, when it is too old, after ten wrong codes, and when its person is disabled',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps, store } = world.process;
    const person = await newPerson(world);
    const first = await issueEnrolment(deps, person, 'invitation', [], world.origin());
    const second = await issueEnrolment(deps, person, 'invitation', [], world.origin());
    await isInvalid(t, world, first.value);
    await setPassword(deps, second.value, PASSWORD, world.origin());
    await beginTotp(deps, second.value, world.origin());
    for (let tries = 0; tries < 10; tries += 1) {
      await t.throwsAsync(finishEnrolment(deps, second.value, { code: 'wrong' }, world.origin()), {
        message: 'enrolment-code-wrong',
      });
    }
    await isInvalid(t, world, second.value);
    const third = await issueEnrolment(deps, person, 'reset', [], world.origin());
    t.is(third.expiresAt, world.now + 86_400_000);
    await killPerson({ people: store, credentials: store, freshness: store }, person.id, world.origin());
    await isInvalid(t, world, third.value);
    const other = await newPerson(world, 'Bob');
    const late = await issueEnrolment(deps, other, 'invitation', [], world.origin());
    world.now = late.expiresAt;
    await isInvalid(t, world, late.value);
    for (const value of ['', 'x'.repeat(43), '__proto__', late.value.toLowerCase()]) {
      await isInvalid(t, world, value);
    }
  },
);

whateverTheStore(
  'only the first administrator says who they are, and with an address of their own',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps } = world.process;
    const [operator, other] = [await newPerson(world, 'Operator'), await newPerson(world, 'Bob')];
    const details = { name: 'Grace', email: 'grace@example.com' };
    const invited = await issueEnrolment(deps, other, 'invitation', [], world.origin());
    await t.throwsAsync(setEnrolmentDetails(deps, invited.value, details, world.origin()), {
      message: 'enrolment-link-invalid',
    });
    const { value } = await issueEnrolment(deps, operator, 'first-administrator', [], world.origin());
    const set = (input: unknown) => setEnrolmentDetails(deps, value, input, world.origin());
    await t.throwsAsync(set({ ...details, email: other.email }), { message: 'enrolment-address-taken' });
    await t.throwsAsync(set({ ...details, roles: ['admin'] }), { message: 'input-invalid' });
    t.false((await set(details)).needsDetails);
    await setPassword(deps, value, PASSWORD, world.origin());
    const seed = (await beginTotp(deps, value, world.origin())).secret.replaceAll(' ', '');
    const code = codeOf(seed, world.now);
    const { session } = await finishEnrolment(deps, value, { code }, world.origin());
    t.like(session.person, { id: operator.id, ...details });
    t.like(await deps.people.findPerson(operator.id), details);
  },
);

whateverTheStore('nobody is invited who signs in already, and nobody who is disabled', async (t, env) => {
  const world = await startSignInWorld(t, env);
  const { deps, store } = world.process;
  const ada = await enrolPerson(world);
  const invite = (id: string) => invitePerson(deps, id, world.origin());
  await t.throwsAsync(invite(ada.person.id), { message: 'person-enrolled' });
  const bob = await newPerson(world, 'Bob');
  t.truthy(await invite(bob.id));
  await killPerson({ people: store, credentials: store, freshness: store }, bob.id, world.origin());
  await t.throwsAsync(invite(bob.id), { message: 'person-disabled' });
  await t.throwsAsync(invite(`usr_${'9'.repeat(32)}`), { message: 'person-unknown' });
});

whateverTheStore(
  'R092, R094: another authenticator app needs a factor proved within five minutes and a code of the new app, and ends the other sessions',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps } = world.process;
    const ada = await enrolPerson(world);
    const elsewhere = await signIn(world, ada);
    world.now += 60_000;
    const here = await signIn(world, ada);
    world.now += 300_000;
    t.truthy(await findSession(deps, here, world.origin()));
    await t.throwsAsync(beginTotpChange(deps, here, world.origin()), { message: 'step-up-required' });
    await stepUp(deps, here, { code: codeOf(ada.seed, world.now) }, world.origin());
    const { secret } = await beginTotpChange(deps, here, world.origin());
    const seed = secret.replaceAll(' ', '');
    await t.throwsAsync(finishTotpChange(deps, here, codeOf(ada.seed, world.now), world.origin()), {
      message: 'factor-refused',
    });
    t.truthy(await findSession(deps, elsewhere, world.origin()));
    await finishTotpChange(deps, here, codeOf(seed, world.now), world.origin());
    t.is(await findSession(deps, elsewhere, world.origin()), undefined);
    t.truthy(await findSession(deps, here, world.origin()));
    world.now += 60_000;
    await t.throwsAsync(signIn(world, ada), { message: 'factor-refused' });
    t.truthy(await signIn(world, { ...ada, seed }));
  },
);

whateverTheStore(
  'a password is changed with the present one, and recovery codes are replaced whole',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const { deps } = world.process;
    const ada = await enrolPerson(world);
    const here = await signIn(world, ada);
    const change = (current: string, password: string) =>
      changePassword(deps, here, { current, password }, world.origin());
    await t.throwsAsync(change('wrong', 'a new one that is long'), { message: 'sign-in-refused' });
    await t.throwsAsync(change(PASSWORD, 'short'), { message: 'password-too-short' });
    await t.throwsAsync(change(PASSWORD, 'Password123!'), { message: 'password-common' });
    await t.throwsAsync(change(PASSWORD, ada.email), { message: 'password-about-you' });
    await change(PASSWORD, 'a new one that is long');
    await t.throwsAsync(signIn(world, ada), { message: 'sign-in-refused' });
    const codes = await renewRecoveryCodes(deps, here, world.origin());
    t.is(new Set([...codes, ...ada.recoveryCodes]).size, 20);
    const session = await findSession(deps, here, world.origin());
    t.like(session && (await findFactors(deps, session)), { recoveryCodesLeft: 10, passkeys: [] });
  },
);

whateverTheStore('what was made void signs nobody in, and ends their sessions', async (t, env) => {
  const world = await startSignInWorld(t, env);
  const { deps, store } = world.process;
  const ada = await enrolPerson(world);
  t.truthy(await findSession(deps, ada.session, world.origin()));
  await voidCredential({ credentials: store, freshness: store }, ada.person.id, world.origin());
  t.is(await findSession(deps, ada.session, world.origin()), undefined);
  await t.throwsAsync(signIn(world, ada), { message: 'sign-in-refused' });
  t.truthy(await invitePerson(deps, ada.person.id, world.origin()));
});
