import type { AuditEvent, CommitPort, Origin } from '../audit/index.ts';
import type { Lineage } from '../liveness.ts';
import type { PersonCredential } from './person-credential.ts';
import { authorityOfSession, findLiveSession, type PersonSession, showSession } from './session.ts';
import type { SignInChange, SignInDeps } from './sign-in-deps.ts';
import { useFactor } from './use-factor.ts';

/** What a code is proved for, to be committed with its use. */
export interface Countersigned<Change, R> {
  /**
   * What it stands on besides the session: while any of it is cut off, or its time is over, nothing is committed. The first handle is its
   * own, and none that the session stands on.
   */
  readonly restsOn: { readonly lineage: Lineage; readonly expiresAt: number };
  readonly changes: readonly Change[];
  readonly events: readonly AuditEvent[];
  readonly result: R;
}

/** Whether somebody has what a countersignature is made with: they can sign in, and have an authenticator app. */
export function canCountersign({ password, totp }: Pick<PersonCredential, 'password' | 'totp'>): boolean {
  return password !== undefined && totp !== undefined;
}

/**
 * A person in their session proves a code of their authenticator app for one thing alone, and that is committed in the one unit that
 * uses the code up. The session is not raised by it. A code that was used for anything, also for signing in, is none.
 *
 * @param value of the session's cookie
 * @param prepare looks at what is to be countersigned, before the code is looked at: where it refuses, nothing is used up and no try is
 *   counted. It runs again where the credential was changed meanwhile
 * @throws {Refused<FactorRefusal | ClockRefusal>}
 * @throws {AuthorityEnded} where what it stands on has ended, and not the session
 */
export function countersign<Change, R>(
  deps: Omit<SignInDeps, 'store'> & { readonly store: CommitPort<SignInChange | Change> },
  value: unknown,
  code: string,
  prepare: (session: PersonSession) => Promise<Countersigned<Change, R>>,
  origin: Origin,
): Promise<R> {
  let prepared: Countersigned<Change, R> | undefined;
  return useFactor<'session', R, Change>(
    deps,
    async () => {
      const held = await findLiveSession(deps, value, origin.latest);
      if (held) prepared = await prepare(showSession(held.pass, held.person));
      return held;
    },
    { code },
    ({ pass }) => {
      if (!prepared) throw new TypeError('a code is proved for nothing');
      const { restsOn, ...use } = prepared;
      const session = authorityOfSession(pass);
      // Where the time is over, the first handle says of what.
      const [first, second] = restsOn.expiresAt < session.expiresAt ? [restsOn, session] : [session, restsOn];
      return {
        ...use,
        authority: {
          ...session,
          lineage: `${first.lineage} ${second.lineage}`,
          expiresAt: first.expiresAt,
        },
      };
    },
    origin,
  );
}
