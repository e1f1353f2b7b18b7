import {
  type AuditEvent,
  type AuthorisedOrigin,
  assertAuthorityHeld,
  COUNTED,
  type CommitOutcome,
  eventOrigin,
  type Origin,
  refuseWhileAhead,
} from '../audit/index.ts';
import { wallAt } from '../clock.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { closedObject, parseInput, plainText } from '../input/index.ts';
import { authorityOf, findLivePass, type LivePass, passLineage } from './live-pass.ts';
import type { EnrolmentPass, EnrolmentPurpose } from './pass.ts';
import { newPassValue, passKey } from './pass-value.ts';
import { hashNewPassword } from './password.ts';
import type { Person } from './person.ts';
import { credentialIdOf, NO_ATTEMPTS, type PersonCredential } from './person-credential.ts';
import { emailInput } from './person-input.ts';
import type { OpenedSession } from './prove-factor.ts';
import { makeRecoveryCodes } from './recovery-codes.ts';
import { newSession, showSession } from './session.ts';
import { type LinkDeps, MAX_ATTEMPTS, type SignInChange, type SignInDeps } from './sign-in-deps.ts';
import { newTotpSeed, showTotpSeed, stepOfCode, type TotpSeed } from './totp.ts';
import { PROVED_BY_CODE, replacing } from './use-factor.ts';

/**
 * - `enrolment-link-invalid`: unknown, used, replaced by a later one, too old, or of a person who may not sign in: nobody is told which
 * - `enrolment-incomplete`: a step before this one is missing
 * - `enrolment-code-wrong`: the code is not the one that the authenticator app shows
 * - `enrolment-address-taken`: another person has the e-mail address
 */
export type EnrolmentRefusal =
  | 'enrolment-link-invalid'
  | 'enrolment-incomplete'
  | 'enrolment-code-wrong'
  | 'enrolment-address-taken';

/** How far an enrolment is. */
export interface Enrolment {
  readonly person: Pick<Person, 'id' | 'name' | 'email'>;
  readonly purpose: EnrolmentPurpose;
  /** Whether the person still has to say who they are. */
  readonly needsDetails: boolean;
  readonly hasPassword: boolean;
  readonly hasTotp: boolean;
  readonly expiresAt: number;
}

/** What ends an enrolment: ten codes, shown once, and a session. */
export interface Enrolled extends OpenedSession {
  readonly recoveryCodes: readonly string[];
}

/** For as long a link is good. */
export const ENROLMENT_MS: Readonly<Record<EnrolmentPurpose, number>> = {
  'first-administrator': 7 * 86_400_000,
  invitation: 7 * 86_400_000,
  reset: 86_400_000,
};
/** Codes that are looked at for one link. */
const MOST_TRIES = 10;

const enrolmentDetails = closedObject({
  name: plainText(100),
  email: emailInput,
});

/**
 * Makes a link by which a person sets how they sign in. The links that they had before are void; how they sign in now goes on until the
 * last step.
 *
 * @param by who makes it: kept, since nobody whom they vouched for is a second person beside them (I5)
 * @returns the link, to be shown once
 */
export async function issueEnrolment(
  deps: Omit<LinkDeps, 'people'>,
  person: Person,
  purpose: EnrolmentPurpose,
  by: readonly string[],
  origin: AuthorisedOrigin,
): Promise<{ readonly link: string; readonly value: string; readonly expiresAt: number }> {
  await deps.freshness.fresh();
  const credential = await deps.credentials.findCredential(person.id);
  const value = newPassValue();
  const pass: EnrolmentPass = {
    kind: 'enrolment',
    key: passKey(value) as string,
    personId: person.id,
    version: 1,
    createdAt: origin.now,
    expiresAt: origin.now + ENROLMENT_MS[purpose],
    lineage: passLineage(deps, person, credential),
    purpose,
    by,
    tries: 0,
  };
  const outcome = await deps.store.commit({
    changes: [
      { kind: 'end-passes', passKind: 'enrolment', personId: person.id },
      { kind: 'issue-pass', pass },
    ],
    events: [
      {
        type: purpose === 'reset' ? 'person.reset-opened' : 'person.invited',
        outcome: 'done',
        ...eventOrigin(origin),
        target: person.id,
        detail: { purpose, by, until: new Date(pass.expiresAt).toISOString() },
      },
    ],
    authority: origin.authority,
  });
  assertAuthorityHeld(outcome);
  return { link: `${deps.issuer}/enrol/${value}`, value, expiresAt: pass.expiresAt };
}

/**
 * The enrolment that a link is for. Changes nothing.
 *
 * @throws {Refused<EnrolmentRefusal>}
 */
export async function openEnrolment(deps: SignInDeps, value: unknown, origin: Origin): Promise<Enrolment> {
  return showEnrolment(await getLiveEnrolment(deps, value, origin));
}

/**
 * The first administrator says who they are.
 *
 * @throws {Refused<EnrolmentRefusal | InputRefusal>}
 */
export function setEnrolmentDetails(
  deps: SignInDeps,
  value: unknown,
  input: unknown,
  origin: Origin,
): Promise<Enrolment> {
  return advance(deps, value, origin, async held => {
    if (held.pass.purpose !== 'first-administrator') {
      throw new Refused<EnrolmentRefusal>('enrolment-link-invalid');
    }
    const details = parseInput(enrolmentDetails, input);
    const holder = await deps.people.findPersonByEmail(details.email);
    if (holder && holder.id !== held.person.id) {
      throw new Refused<EnrolmentRefusal>('enrolment-address-taken', {
        parameter: 'email',
        sent: details.email,
      });
    }
    return { ...held.pass, details };
  });
}

/** @throws {Refused<EnrolmentRefusal | PasswordRefusal | SlowHashRefusal>} */
export function setPassword(
  deps: SignInDeps,
  value: unknown,
  password: unknown,
  origin: Origin,
): Promise<Enrolment> {
  return advance(deps, value, origin, async held => {
    const { name, email } = nameOf(held);
    const text = typeof password === 'string' ? password : '';
    return {
      ...held.pass,
      password: await hashNewPassword(deps.slowHash, text, email === undefined ? [name] : [name, email]),
    };
  });
}

/**
 * Makes a seed for an authenticator app, in place of any that was made before.
 *
 * @returns the seed, to be shown once
 * @throws {Refused<EnrolmentRefusal>}
 */
export async function beginTotp(deps: SignInDeps, value: unknown, origin: Origin): Promise<TotpSeed> {
  const seed = newTotpSeed();
  let label = '';
  await advance(deps, value, origin, async held => {
    const { name, email } = nameOf(held);
    label = email ?? name;
    const sealedSeed = deps.sealing.seal(Buffer.from(seed), credentialIdOf(held.person.id));
    return { ...held.pass, sealedSeed };
  });
  return showTotpSeed(seed, new URL(deps.issuer).host, label);
}

/**
 * The last step: a code of the app shows that it has the seed, and is used up by it. What was set takes effect, the link is used up, and
 * the person is signed in, all in one commit; sessions and factors that they had before are gone.
 *
 * @throws {Refused<EnrolmentRefusal | ClockRefusal>}
 */
export async function finishEnrolment(
  deps: SignInDeps,
  value: unknown,
  { code }: { readonly code: unknown },
  origin: Origin,
): Promise<Enrolled> {
  const { person: invited } = await getLiveEnrolment(deps, value, origin);
  await refuseWhileAhead(deps.refusals, { type: 'person.enrolment-refused', target: invited.id }, origin);
  const made = await makeRecoveryCodes(deps.slowHash, origin.now);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const held = await getLiveEnrolment(deps, value, origin);
    const { pass, person } = held;
    const { password, sealedSeed } = pass;
    if (password === undefined || sealedSeed === undefined || showEnrolment(held).needsDetails) {
      throw new Refused<EnrolmentRefusal>('enrolment-incomplete');
    }
    const seed = deps.sealing.unseal(sealedSeed, credentialIdOf(person.id)).toString();
    const step = stepOfCode(seed, typeof code === 'string' ? code : '', wallAt(origin));
    if (step === undefined) {
      await refuseCode(deps, pass, origin);
      continue;
    }
    const credential = enrolledCredential(held, { password, sealedSeed, step }, made.stored, origin);
    const named = pass.details ? { ...person, ...pass.details } : person;
    const session = newSession(deps, person, credential, PROVED_BY_CODE, origin);
    const outcome = await deps.store.commit({
      changes: [
        { kind: 'take-pass', passKind: 'enrolment', key: pass.key, now: origin.latest },
        held.credential
          ? replacing(held.credential, credential, origin.now)
          : { kind: 'insert', collection: 'person-credential', record: credential },
        ...(pass.details ? [renaming(person, named, origin.now)] : []),
        { kind: 'end-passes', passKind: 'session', personId: person.id },
        { kind: 'issue-pass', pass: session.pass },
      ],
      events: enrolledEvents(pass, named, session.pass.id, origin),
      authority: authorityOf(pass),
    });
    await assertLinkHeld(deps, outcome, pass, origin);
    if (!outcome.committed) continue;
    if (named.roles.includes('admin')) await deps.onAdministratorEnrolled(origin);
    return {
      recoveryCodes: made.codes,
      value: session.value,
      session: showSession(session.pass, named),
    };
  }
  throw new StoreUnavailable('an enrolment was changed again and again while it was being finished');
}

type LiveEnrolment = LivePass<'enrolment'>;

async function getLiveEnrolment(deps: SignInDeps, value: unknown, origin: Origin): Promise<LiveEnrolment> {
  const held = await findLivePass(deps, 'enrolment', value, origin.latest);
  if (held && held.pass.tries < MOST_TRIES) return held;
  return refuseLink(deps, held ? 'too-many-codes' : 'link-not-live', held?.person.id, origin);
}

async function refuseLink(
  deps: SignInDeps,
  reason: 'too-many-codes' | 'link-not-live',
  target: string | undefined,
  origin: Origin,
): Promise<never> {
  await deps.refusals.note(
    {
      type: 'person.enrolment-refused',
      outcome: 'refused',
      reason,
      ...eventOrigin(origin),
      ...(target !== undefined && { target }),
    },
    target === undefined ? 'stranger' : 'registered',
  );
  throw new Refused<EnrolmentRefusal>('enrolment-link-invalid');
}

/** Refuses where the link, or its person, has ended meanwhile. @throws {Refused<'enrolment-link-invalid'>} */
async function assertLinkHeld(
  deps: SignInDeps,
  outcome: CommitOutcome,
  { personId }: EnrolmentPass,
  origin: Origin,
): Promise<void> {
  if (outcome.committed || outcome.conflict !== 'authority-ended') return;
  await refuseLink(deps, 'link-not-live', personId, origin);
}

async function advance(
  deps: SignInDeps,
  value: unknown,
  origin: Origin,
  change: (held: LiveEnrolment) => Promise<EnrolmentPass>,
): Promise<Enrolment> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const held = await getLiveEnrolment(deps, value, origin);
    const pass = { ...(await change(held)), version: held.pass.version + 1 };
    const outcome = await deps.store.commit({
      changes: [{ kind: 'renew-pass', pass, ifVersion: held.pass.version }],
      events: [],
      authority: authorityOf(held.pass),
    });
    await assertLinkHeld(deps, outcome, held.pass, origin);
    if (outcome.committed) return showEnrolment({ ...held, pass });
  }
  throw new StoreUnavailable('an enrolment was changed again and again');
}

/** Counts the code before it is told to be wrong. @returns when the link was changed meanwhile, and the code is to be looked at again */
async function refuseCode(deps: SignInDeps, pass: EnrolmentPass, origin: Origin): Promise<void> {
  const counted = { ...pass, version: pass.version + 1, tries: pass.tries + 1 };
  const outcome = await deps.store.commit({
    changes: [{ kind: 'renew-pass', pass: counted, ifVersion: pass.version }],
    events: [
      {
        type: 'person.enrolment-refused',
        outcome: 'refused',
        reason: 'wrong-code',
        ...eventOrigin(origin),
        target: pass.personId,
      },
    ],
    authority: COUNTED,
  });
  if (outcome.committed) throw new Refused<EnrolmentRefusal>('enrolment-code-wrong');
}

function enrolledCredential(
  { pass, person, credential }: LiveEnrolment,
  proved: { readonly password: string; readonly sealedSeed: string; readonly step: number },
  recoveryCodes: NonNullable<PersonCredential['recoveryCodes']>,
  { now }: Origin,
): PersonCredential {
  return {
    id: credentialIdOf(person.id),
    version: (credential?.version ?? 0) + 1,
    epoch: credential ? credential.epoch + 1 : 0,
    createdAt: credential?.createdAt ?? now,
    updatedAt: now,
    personId: person.id,
    password: proved.password,
    passwordSince: now,
    totp: { sealedSeed: proved.sealedSeed, lastStep: proved.step, since: now },
    passkeys: [],
    recoveryCodes,
    attempts: NO_ATTEMPTS,
    vouchedBy: [...new Set([...(credential?.vouchedBy ?? []), ...pass.by])],
  };
}

function renaming(current: Person, named: Person, now: number): SignInChange {
  const record = { ...named, version: current.version + 1, updatedAt: Math.max(now, current.updatedAt) };
  return { kind: 'replace', collection: 'person', record, ifVersion: current.version };
}

function enrolledEvents(
  pass: EnrolmentPass,
  person: Person,
  session: string,
  origin: Origin,
): readonly AuditEvent[] {
  const about = { outcome: 'done', ...eventOrigin(origin), target: person.id } as const;
  return [
    { type: 'person.enrolled', ...about, detail: { purpose: pass.purpose, by: pass.by } },
    ...(pass.details
      ? [{ type: 'person.updated', ...about, detail: { fields: ['name', 'email'] } } as const]
      : []),
    {
      type: 'person.signed-in',
      ...about,
      detail: { session, amr: ['pwd', ...PROVED_BY_CODE.amr], acr: PROVED_BY_CODE.acr },
    },
  ];
}

function nameOf({ pass, person }: LiveEnrolment): { readonly name: string; readonly email?: string } {
  return pass.details ?? person;
}

function showEnrolment(held: LiveEnrolment): Enrolment {
  const { pass, person } = held;
  const { name, email } = nameOf(held);
  return {
    person: { id: person.id, name, ...(email !== undefined && { email }) },
    purpose: pass.purpose,
    needsDetails: pass.purpose === 'first-administrator' && pass.details === undefined,
    hasPassword: pass.password !== undefined,
    hasTotp: pass.sealedSeed !== undefined,
    expiresAt: pass.expiresAt,
  };
}
