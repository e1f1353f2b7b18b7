import type { PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server';
import { eventOrigin, type Origin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { authorityOf, findLivePass } from './live-pass.ts';
import type { SessionPass, SignInPass } from './pass.ts';
import { passkeyRequest, relyingParty } from './passkey.ts';
import { findLiveSession, newSession, type PersonSession, showSession } from './session.ts';
import { MAX_ATTEMPTS, type SignInDeps } from './sign-in-deps.ts';
import { assertHolderHeld, type FactorProof, type FactorRefusal, useFactor } from './use-factor.ts';

/** For what a factor is proved, by the value of its cookie. */
export type FactorHolder = { readonly pending: unknown } | { readonly session: unknown };

/** A session that has just begun, and the value for its cookie, told once. */
export interface OpenedSession {
  readonly value: string;
  readonly session: PersonSession;
}

/**
 * Ends a begun sign-in with the second factor: uses it up and begins a session.
 *
 * @throws {Refused<FactorRefusal>}
 */
export function proveFactor(
  deps: SignInDeps,
  pending: unknown,
  proof: FactorProof,
  origin: Origin,
): Promise<OpenedSession> {
  return useFactor(
    deps,
    () => findLivePass(deps, 'sign-in', pending, origin.latest),
    proof,
    ({ pass, person }, proved, credential) => {
      const { value, pass: session } = newSession(deps, person, credential, proved, origin);
      return {
        changes: [
          { kind: 'take-pass', passKind: 'sign-in', key: pass.key, now: origin.latest },
          { kind: 'issue-pass', pass: session },
        ],
        events: [
          {
            type: 'person.signed-in',
            outcome: 'done',
            ...eventOrigin(origin),
            target: person.id,
            detail: {
              session: session.id,
              amr: session.amr,
              acr: session.acr,
              ...('recoveryCode' in proof && {
                recoveryCodesLeft: credential.recoveryCodes?.digests.length ?? 0,
              }),
            },
          },
        ],
        result: { value, session: showSession(session, person) },
      };
    },
    origin,
  ).then(opened => {
    deps.figures['signed-in'] += 1;
    return opened;
  });
}

/**
 * Proves the second factor once more in a session, which stays the same one. A recovery code does not do: it is for signing in.
 *
 * @throws {Refused<FactorRefusal>}
 */
export async function stepUp(
  deps: SignInDeps,
  value: unknown,
  proof: Exclude<FactorProof, { readonly recoveryCode: string }>,
  origin: Origin,
): Promise<PersonSession> {
  if ('recoveryCode' in proof) throw new Refused<FactorRefusal>('factor-refused');
  return useFactor(
    deps,
    () => findLiveSession(deps, value, origin.latest),
    proof,
    ({ pass, person }, { amr, acr }) => {
      const { challenge: _, ...rest } = pass;
      const renewed: SessionPass = {
        ...rest,
        version: pass.version + 1,
        lastUsedAt: origin.now,
        factorAt: origin.now,
        amr: [...new Set([...pass.amr, ...amr])],
        acr,
      };
      return {
        changes: [{ kind: 'renew-pass', pass: renewed, ifVersion: pass.version }],
        events: [
          {
            type: 'person.stepped-up',
            outcome: 'done',
            ...eventOrigin(origin),
            target: person.id,
            detail: { session: pass.id, amr, acr },
          },
        ],
        result: showSession(renewed, person),
      };
    },
    origin,
  );
}

/**
 * Asks for a passkey. The challenge is kept with the holder, and a later one takes its place.
 *
 * @throws {Refused<FactorRefusal>} `sign-in-expired`
 */
export async function beginAssertion(
  deps: SignInDeps,
  holder: FactorHolder,
  origin: Origin,
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const found =
      'pending' in holder
        ? await findLivePass(deps, 'sign-in', holder.pending, origin.latest)
        : await findLiveSession(deps, holder.session, origin.latest);
    if (!found?.credential) throw new Refused<FactorRefusal>('sign-in-expired');
    const options = await passkeyRequest(relyingParty(deps.issuer), found.credential);
    const current: SignInPass | SessionPass = found.pass;
    const pass = { ...current, version: current.version + 1, challenge: options.challenge };
    const outcome = await deps.store.commit({
      changes: [{ kind: 'renew-pass', pass, ifVersion: current.version }],
      events: [],
      authority: authorityOf(current),
    });
    if (outcome.committed) return options;
    assertHolderHeld(outcome);
  }
  throw new StoreUnavailable('a sign-in was changed again and again while a passkey was asked for');
}
