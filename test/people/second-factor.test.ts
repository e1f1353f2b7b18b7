import type { ExecutionContext } from 'ava';
import { type FactorProof, findSession, proveFactor, stepUp } from '../../src/people/index.ts';
import {
  beginSignIn,
  codeOf,
  enrolPerson,
  type SignInProcess,
  type SignInWorld,
  type SigningPerson,
  signIn,
  startSignInWorld,
} from '../support/people.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

const MINUTE = 60_000;

async function isRefused(
  t: ExecutionContext,
  world: SignInWorld,
  person: SigningPerson,
  proof: FactorProof,
  cause: string,
  process: SignInProcess = world.process,
): Promise<void> {
  const pending = await beginSignIn(world, person, process);
  const sessions = await process.deps.passes.listPasses('session', person.person.id);
  await t.throwsAsync(proveFactor(process.deps, pending, proof, world.origin()), {
    message: 'factor-refused',
  });
  t.deepEqual(await process.deps.passes.listPasses('session', person.person.id), sessions, cause);
  const last = (await world.trail()).findLast(({ type }) => type === 'person.factor-refused');
  t.like(last, { outcome: 'refused', reason: cause, target: person.person.id });
}

onEachStore(
  'R090: a code is accepted once: not again in its step or the next, nor after a restart',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const ada = await enrolPerson(world);
    const code = codeOf(ada.seed, world.now);
    await signIn(world, ada);
    await isRefused(t, world, ada, { code }, 'code-used');
    world.now += 30_000;
    await isRefused(t, world, ada, { code }, 'code-used');
    const other = await world.start();
    await world.process.close();
    const again = { ...world, process: other, origin: world.origin, trail: async () => [] };
    const pending = await beginSignIn(again, ada);
    await t.throwsAsync(proveFactor(other.deps, pending, { code }, world.origin()), {
      message: 'factor-refused',
    });
    world.now += MINUTE;
    const fresh = await beginSignIn(again, ada);
    const proof = { code: codeOf(ada.seed, world.now) };
    t.is((await proveFactor(other.deps, fresh, proof, world.origin())).session.person.id, ada.person.id);
  },
);

onEachStore(
  'R090, T5: of the same code sent many times at once, to two processes, one is accepted',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const ada = await enrolPerson(world);
    const processes = [world.process, await world.start()] as const;
    const pending = await Promise.all(
      Array.from({ length: 8 }, (_, at) => beginSignIn(world, ada, processes[at % 2])),
    );
    const code = codeOf(ada.seed, world.now);
    const outcomes = await Promise.allSettled(
      pending.map((value, at) =>
        proveFactor((processes[at % 2] as SignInProcess).deps, value, { code }, world.origin()),
      ),
    );
    t.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') t.is(outcome.reason.message, 'factor-refused');
    }
  },
);

whateverTheStore(
  'T5: a code is read as it is typed, and only in digits that NFKC makes ASCII',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const ada = await enrolPerson(world);
    const code = codeOf(ada.seed, world.now);
    const arabic = [...code].map(digit => String.fromCodePoint(0x660 + Number(digit))).join('');
    await isRefused(t, world, ada, { code: arabic }, 'wrong-code');
    await isRefused(t, world, ada, { code: `${code}0` }, 'wrong-code');
    const fullWidth = [...code].map(digit => String.fromCodePoint(0xff10 + Number(digit))).join('');
    const pending = await beginSignIn(world, ada);
    const typed = `${fullWidth.slice(0, 3)} ${fullWidth.slice(3)}`;
    t.truthy(await proveFactor(world.process.deps, pending, { code: typed }, world.origin()));
    await isRefused(t, world, ada, { code }, 'code-used');
  },
);

onEachStore(
  'R091: five wrong codes in a quarter of an hour lock, wherever they come from, for longer each time and across restarts; the right code is refused with the same text meanwhile',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const ada = await enrolPerson(world);
    const other = await world.start();
    const wrong = (): FactorProof => {
      const right = codeOf(ada.seed, world.now);
      return { code: `${(Number(right[0]) + 1) % 10}${right.slice(1)}` };
    };
    for (let tries = 0; tries < 4; tries += 1) {
      await isRefused(t, world, ada, wrong(), 'wrong-code', tries % 2 ? world.process : other);
    }
    // A sign-in of its own, and not a new beginning, either.
    const pending = await beginSignIn(world, ada);
    await t.throwsAsync(proveFactor(other.deps, pending, wrong(), world.origin()), {
      message: 'factor-refused',
    });
    const locked = (await world.trail()).filter(({ type }) => type === 'person.factor-locked');
    t.is(locked.length, 1);
    t.is(locked[0]?.detail?.['until'], new Date(world.now + 15 * MINUTE).toISOString());
    const late = await world.start();
    await isRefused(t, world, ada, { code: codeOf(ada.seed, world.now) }, 'factor-locked', late);
    await t.throwsAsync(
      proveFactor(
        late.deps,
        await beginSignIn(world, ada),
        { recoveryCode: ada.recoveryCodes[0] ?? '' },
        world.origin(),
      ),
      { message: 'factor-refused' },
    );
    world.now += 15 * MINUTE;
    for (let tries = 0; tries < 5; tries += 1) await isRefused(t, world, ada, wrong(), 'wrong-code');
    const again = (await world.trail()).findLast(({ type }) => type === 'person.factor-locked');
    t.is(again?.detail?.['until'], new Date(world.now + 30 * MINUTE).toISOString());
    world.now += 30 * MINUTE;
    t.truthy(await signIn(world, ada));
    await late.store.fresh();
    t.is((await late.deps.credentials.findCredential(ada.person.id))?.attempts.locks, 0);
  },
);

whateverTheStore(
  'R093: a recovery code signs in once, is stored hashed, and does not renew a factor',
  async (t, env) => {
    const world = await startSignInWorld(t, env);
    const ada = await enrolPerson(world);
    t.is(ada.recoveryCodes.length, 10);
    const [code = ''] = ada.recoveryCodes;
    const stored = JSON.stringify(await world.process.deps.credentials.findCredential(ada.person.id));
    for (const each of ada.recoveryCodes) {
      t.false(stored.includes(each));
      t.false(stored.includes(each.replaceAll('-', '')));
    }
    const pending = await beginSignIn(world, ada);
    const { value, session } = await proveFactor(
      world.process.deps,
      pending,
      { recoveryCode: ` ${code.toUpperCase().replaceAll('-', ' ')}` },
      world.origin(),
    );
    t.deepEqual(session.amr, ['pwd', 'otp', 'mfa']);
    t.truthy(await findSession(world.process.deps, value, world.origin()));
    await isRefused(t, world, ada, { recoveryCode: code }, 'wrong-recovery-code');
    await t.throwsAsync(
      stepUp(world.process.deps, value, { recoveryCode: ada.recoveryCodes[1] } as never, world.origin()),
      undefined,
      'a recovery code renewed a factor',
    );
  },
);
