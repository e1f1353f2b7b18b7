import type {
  PublicKeyCredentialCreationOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { type CommitOutcome, eventOrigin, type Origin } from '../audit/index.ts';
import { wallAt } from '../clock.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { parseInput, plainText } from '../input/index.ts';
import { passLineage } from './live-pass.ts';
import type { SessionPass } from './pass.ts';
import { checkRegistration, passkeyCreation, relyingParty } from './passkey.ts';
import { hashNewPassword, isPasswordOf } from './password.ts';
import type { Person } from './person.ts';
import { credentialIdOf, type Passkey, type PersonCredential } from './person-credential.ts';
import { makeRecoveryCodes } from './recovery-codes.ts';
import {
  assertFactorFresh,
  authorityOfSession,
  getLiveSession,
  othersOf,
  type PersonSession,
  type SessionRefusal,
} from './session.ts';
import { MAX_ATTEMPTS, type SignInDeps } from './sign-in-deps.ts';
import { countTry, type SignInRefusal } from './start-sign-in.ts';
import { newTotpSeed, showTotpSeed, stepOfCode, type TotpSeed } from './totp.ts';
import { type FactorRefusal, replacing } from './use-factor.ts';

/**
 * - `passkey-not-registered`: the authenticator's answer does not hold, or came too late
 * - `too-many-passkeys`: one has to be removed first
 */
export type PasskeyRefusal = 'passkey-not-registered' | 'too-many-passkeys';

/** What a person signs in with. Times are in milliseconds since the epoch. */
export interface Factors {
  readonly passwordSince?: number;
  readonly totpSince?: number;
  readonly passkeys: readonly Pick<Passkey, 'id' | 'name' | 'createdAt' | 'lastUsedAt'>[];
  readonly recoveryCodesLeft: number;
}

const MOST_PASSKEYS = 10;

/** What a person signs in with, without anything secret. */
export async function findFactors(
  deps: Pick<SignInDeps, 'credentials'>,
  { person }: Pick<PersonSession, 'person'>,
): Promise<Factors> {
  const credential = await deps.credentials.findCredential(person.id);
  const { passwordSince, totp, passkeys = [], recoveryCodes } = credential ?? {};
  return {
    ...(passwordSince !== undefined && { passwordSince }),
    ...(totp && { totpSince: totp.since }),
    passkeys: passkeys.map(({ id, name, createdAt, lastUsedAt }) => ({
      id,
      name,
      createdAt,
      ...(lastUsedAt !== undefined && { lastUsedAt }),
    })),
    recoveryCodesLeft: recoveryCodes?.digests.length ?? 0,
  };
}

/** @throws {Refused<SessionRefusal | SignInRefusal | PasswordRefusal | SlowHashRefusal>} `sign-in-refused` when the present one is wrong */
export function changePassword(
  deps: SignInDeps,
  value: unknown,
  { current, password }: { readonly current: unknown; readonly password: unknown },
  origin: Origin,
): Promise<void> {
  return changeFactors(deps, value, origin, async ({ person, credential }) => {
    const about = [person.name, ...(person.email === undefined ? [] : [person.email])];
    await countTry(deps, person.email ?? person.id, origin);
    if (!(await isPasswordOf(deps.slowHash, credential.password, textOf(current)))) {
      await deps.refusals.note(
        {
          type: 'person.sign-in-refused',
          outcome: 'refused',
          reason: 'wrong-password',
          ...eventOrigin(origin),
          target: person.id,
        },
        'registered',
      );
      throw new Refused<SignInRefusal>('sign-in-refused');
    }
    const hashed = await hashNewPassword(deps.slowHash, textOf(password), about);
    return {
      credential: { ...credential, password: hashed, passwordSince: origin.now },
      detail: { factor: 'password' },
      result: undefined,
    };
  });
}

/**
 * Makes a seed for another authenticator app. The present one works until the last step.
 *
 * @returns the seed, to be shown once
 * @throws {Refused<SessionRefusal>}
 */
export async function beginTotpChange(deps: SignInDeps, value: unknown, origin: Origin): Promise<TotpSeed> {
  const seed = newTotpSeed();
  const { person } = await keepInSession(deps, value, origin, ({ pass, person }) => ({
    ...pass,
    sealedSeed: deps.sealing.seal(Buffer.from(seed), credentialIdOf(person.id)),
  }));
  return showTotpSeed(seed, new URL(deps.issuer).host, person.email ?? person.name);
}

/** @throws {Refused<SessionRefusal | FactorRefusal>} `factor-refused` when the code is not one of the new app */
export function finishTotpChange(
  deps: SignInDeps,
  value: unknown,
  code: unknown,
  origin: Origin,
): Promise<void> {
  return changeFactors(deps, value, origin, async ({ pass, person, credential }) => {
    const { sealedSeed } = pass;
    const seed = sealedSeed && deps.sealing.unseal(sealedSeed, credentialIdOf(person.id)).toString();
    const step = seed && stepOfCode(seed, textOf(code), wallAt(origin));
    if (!sealedSeed || typeof step !== 'number') throw new Refused<FactorRefusal>('factor-refused');
    return {
      credential: { ...credential, totp: { sealedSeed, lastStep: step, since: origin.now } },
      detail: { factor: 'totp' },
      result: undefined,
    };
  });
}

/** @throws {Refused<SessionRefusal | PasskeyRefusal>} */
export async function beginPasskey(
  deps: SignInDeps,
  value: unknown,
  origin: Origin,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const held = await getFreshSession(deps, value, origin);
  if (held.credential.passkeys.length >= MOST_PASSKEYS) {
    throw new Refused<PasskeyRefusal>('too-many-passkeys', { permitted: [`at most ${MOST_PASSKEYS}`] });
  }
  const options = await passkeyCreation(relyingParty(deps.issuer), held.credential, held.person);
  await keepInSession(deps, value, origin, ({ pass }) => ({ ...pass, challenge: options.challenge }));
  return options;
}

/** @throws {Refused<SessionRefusal | PasskeyRefusal | InputRefusal>} */
export function finishPasskey(
  deps: SignInDeps,
  value: unknown,
  input: { readonly name: unknown; readonly response: RegistrationResponseJSON },
  origin: Origin,
): Promise<void> {
  return changeFactors(deps, value, origin, async ({ pass, credential }) => {
    const name = parseInput(plainText(60), input.name);
    const party = relyingParty(deps.issuer);
    const passkey =
      pass.challenge === undefined
        ? undefined
        : await checkRegistration(party, input.response, pass.challenge, name, origin.now);
    if (!passkey || credential.passkeys.some(({ id }) => id === passkey.id)) {
      throw new Refused<PasskeyRefusal>('passkey-not-registered');
    }
    if (credential.passkeys.length >= MOST_PASSKEYS) throw new Refused<PasskeyRefusal>('too-many-passkeys');
    return {
      credential: { ...credential, passkeys: [...credential.passkeys, passkey] },
      detail: { factor: 'passkey', name, passkey: passkey.id },
      result: undefined,
    };
  });
}

/** Removes a passkey. Nothing happens where there is none with this identifier. @throws {Refused<SessionRefusal>} */
export async function removePasskey(
  deps: SignInDeps,
  value: unknown,
  id: unknown,
  origin: Origin,
): Promise<void> {
  await changeFactors(deps, value, origin, async ({ credential }) => {
    const passkeys = credential.passkeys.filter(passkey => passkey.id !== id);
    if (passkeys.length === credential.passkeys.length) return undefined;
    return {
      credential: { ...credential, passkeys },
      detail: { factor: 'passkey', passkey: String(id) },
      isRemoval: true,
      result: undefined,
    };
  });
}

/**
 * Makes ten new recovery codes; the old ones are void.
 *
 * @returns the codes, to be shown once
 * @throws {Refused<SessionRefusal>}
 */
export async function renewRecoveryCodes(
  deps: SignInDeps,
  value: unknown,
  origin: Origin,
): Promise<readonly string[]> {
  await getFreshSession(deps, value, origin);
  const { codes, stored } = await makeRecoveryCodes(deps.slowHash, origin.now);
  await changeFactors(deps, value, origin, async ({ credential }) => ({
    credential: { ...credential, recoveryCodes: stored },
    detail: { factor: 'recovery-codes' },
    result: undefined,
  }));
  return codes;
}

interface FreshSession {
  readonly pass: SessionPass;
  readonly person: Person;
  readonly credential: PersonCredential;
}

interface FactorChange<R> {
  readonly credential: PersonCredential;
  readonly detail: Readonly<Record<string, string>>;
  readonly isRemoval?: boolean;
  readonly result: R;
}

async function getFreshSession(deps: SignInDeps, value: unknown, origin: Origin): Promise<FreshSession> {
  const { pass, person, credential } = await getLiveSession(deps, value, origin.latest);
  if (!credential) throw new Refused<SessionRefusal>('session-required');
  assertFactorFresh(pass, origin.latest);
  return { pass, person, credential };
}

/** Changes what the person signs in with, in one commit that ends their other sessions; this one goes on. */
async function changeFactors<R>(
  deps: SignInDeps,
  value: unknown,
  origin: Origin,
  change: (held: FreshSession) => Promise<FactorChange<R> | undefined>,
): Promise<R | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const held = await getFreshSession(deps, value, origin);
    const changed = await change(held);
    if (!changed) return undefined;
    const { pass, person, credential } = held;
    const next = { ...changed.credential, epoch: credential.epoch + 1 };
    const { challenge: _, sealedSeed: _seed, ...rest } = pass;
    const renewed: SessionPass = {
      ...rest,
      version: pass.version + 1,
      lastUsedAt: origin.now,
      lineage: passLineage(deps, person, next),
    };
    const outcome = await deps.store.commit({
      changes: [
        replacing(credential, next, origin.now),
        { kind: 'renew-pass', pass: renewed, ifVersion: pass.version },
        othersOf(pass),
      ],
      events: [
        {
          type: changed.isRemoval ? 'person.factor-removed' : 'person.factor-set',
          outcome: 'done',
          ...eventOrigin(origin),
          target: person.id,
          detail: { ...changed.detail, session: pass.id },
        },
      ],
      authority: authorityOfSession(pass),
    });
    assertSessionHeld(outcome);
    if (outcome.committed) return changed.result;
  }
  throw new StoreUnavailable('a credential was changed again and again');
}

/** Keeps with the session what the next step needs. */
async function keepInSession(
  deps: SignInDeps,
  value: unknown,
  origin: Origin,
  keep: (held: FreshSession) => SessionPass,
): Promise<FreshSession> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const held = await getFreshSession(deps, value, origin);
    const pass = { ...keep(held), version: held.pass.version + 1 };
    const outcome = await deps.store.commit({
      changes: [{ kind: 'renew-pass', pass, ifVersion: held.pass.version }],
      events: [],
      authority: authorityOfSession(held.pass),
    });
    assertSessionHeld(outcome);
    if (outcome.committed) return held;
  }
  throw new StoreUnavailable('a session was changed again and again');
}

/** @throws {Refused<'session-required'>} where the session, or its person, has ended meanwhile */
function assertSessionHeld(outcome: CommitOutcome): void {
  if (!outcome.committed && outcome.conflict === 'authority-ended') {
    throw new Refused<SessionRefusal>('session-required');
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
