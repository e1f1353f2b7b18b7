import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { generateSync } from 'otplib';
import { type AuditEvent, type AuthorisedOrigin, RefusalCounter } from '../../src/audit/index.ts';
import { certainMoment } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { newId } from '../../src/ids.ts';
import { sealingKey } from '../../src/keys/index.ts';
import { newOrigin } from '../../src/origin.ts';
import {
  beginTotp,
  createPerson,
  finishEnrolment,
  issueEnrolment,
  newSignInFigures,
  type Person,
  type PersonInput,
  proveFactor,
  type SignInDeps,
  SlowHash,
  setPassword,
  startSignIn,
} from '../../src/people/index.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { PATIENCE, TEST_HASH_COST } from './start-app.ts';
import type { StoreEnv } from './stores.ts';

/** A process of the server, as far as signing in goes. */
export interface SignInProcess {
  readonly deps: SignInDeps;
  readonly store: Store;
  close(): Promise<void>;
}

/** Signing in on a store that several processes may share, at a time that the test sets. */
export interface SignInWorld {
  readonly process: SignInProcess;
  now: number;
  origin(): AuthorisedOrigin;
  /** One more process on the same store. */
  start(): Promise<SignInProcess>;
  trail(): Promise<readonly AuditEvent[]>;
}

export const PASSWORD = 'correct horse battery staple';

export async function startSignInWorld(t: ExecutionContext, env: StoreEnv): Promise<SignInWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-people-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const { store: location } = loadConfig({
    COUNTERSIGN_STORE: `sqlite:${join(directory, 'x.sqlite')}`,
    ...env,
  });
  const sealing = sealingKey(createSecretKey(randomBytes(32)));
  const start = async (): Promise<SignInProcess> => {
    const store = await openStore(location, {
      now: () => world.now,
      databaseTime: () => world.now,
      lane: newId('lane', Date.now()),
      patience: PATIENCE,
    });
    let closed: Promise<void> | undefined;
    const close = () => (closed ??= store.close());
    t.teardown(close);
    return {
      store,
      close,
      deps: {
        people: store,
        credentials: store,
        passes: store,
        store,
        freshness: store,
        epochs: store.epochs,
        attempts: store,
        sealing,
        refusals: new RefusalCounter({ audit: store, now: () => world.now, onError: error => t.log(error) }),
        slowHash: new SlowHash(TEST_HASH_COST),
        issuer: 'http://localhost:9',
        figures: newSignInFigures(),
        onAdministratorEnrolled: async () => undefined,
      },
    };
  };
  const world = {
    now: Date.now(),
    origin: (): AuthorisedOrigin => ({
      ...newOrigin(certainMoment(world.now)),
      address: '192.0.2.1',
      authority: { none: 'host-command' },
    }),
    start,
    trail: async (): Promise<readonly AuditEvent[]> =>
      (await world.process.store.readNewest(1_000)).map(row => JSON.parse(row.body).event).reverse(),
  } as { -readonly [Key in keyof SignInWorld]: SignInWorld[Key] };
  world.process = await start();
  return world;
}

/** A person who signs in. */
export interface SigningPerson {
  readonly person: Person;
  readonly email: string;
  /** base32, as an authenticator app has it. */
  readonly seed: string;
  readonly recoveryCodes: readonly string[];
  /** Of the session that enrolling began. */
  readonly session: string;
}

/** What an authenticator app shows. */
export function codeOf(seed: string, nowMs: number): string {
  return generateSync({ secret: seed, epoch: Math.floor(nowMs / 1_000) });
}

/** Registers a person and has them enrol. A minute goes by, so that the code of their app is a new one. */
export async function enrolPerson(
  world: SignInWorld,
  input: Partial<PersonInput> = {},
  password = PASSWORD,
): Promise<SigningPerson> {
  const { deps, store } = world.process;
  const email = `${randomBytes(6).toString('hex')}@example.com`;
  const { person } = await createPerson({ people: store }, { name: 'Ada', email, ...input }, world.origin());
  const { value } = await issueEnrolment(deps, person, 'invitation', [], world.origin());
  await setPassword(deps, value, password, world.origin());
  const seed = (await beginTotp(deps, value, world.origin())).secret.replaceAll(' ', '');
  const code = codeOf(seed, world.now);
  const { recoveryCodes, value: session } = await finishEnrolment(deps, value, { code }, world.origin());
  world.now += 60_000;
  return { person, email: input.email ?? email, seed, recoveryCodes, session };
}

/** Gives the password. @returns the value of the sign-in that has begun */
export async function beginSignIn(
  world: SignInWorld,
  { email }: SigningPerson,
  { deps }: SignInProcess = world.process,
): Promise<string> {
  return (await startSignIn(deps, { email, password: PASSWORD }, world.origin())).value;
}

/** Signs in with password and code. @returns the value of the session */
export async function signIn(world: SignInWorld, person: SigningPerson): Promise<string> {
  const pending = await beginSignIn(world, person);
  const code = codeOf(person.seed, world.now);
  return (await proveFactor(world.process.deps, pending, { code }, world.origin())).value;
}
