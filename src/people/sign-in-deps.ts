import type { CommitPort, Freshness, Origin, RefusalCounter } from '../audit/index.ts';
import type { AttemptStore } from '../limits/index.ts';
import type { Epochs } from '../liveness.ts';
import type { CredentialChange, CredentialStore, PassChange, PassStore } from './pass-store.ts';
import type { PersonChange, PersonStore } from './person-store.ts';
import type { SlowHash } from './slow-hash.ts';

export type SignInChange = CredentialChange | PassChange | PersonChange;

/** What signing in, sessions and enrolment need. */
export interface SignInDeps {
  readonly people: Pick<PersonStore, 'findPerson' | 'findPersonByEmail' | 'listPeople'>;
  readonly credentials: Pick<CredentialStore, 'findCredential'>;
  readonly passes: Pick<PassStore, 'findPass' | 'listPasses'>;
  readonly store: CommitPort<SignInChange>;
  readonly freshness: Freshness;
  readonly epochs: Epochs;
  readonly attempts: AttemptStore;
  /** Seals the seeds of authenticator apps: see `keys/sealing.ts`. */
  readonly sealing: {
    seal(plaintext: Buffer, context: string): string;
    unseal(sealed: string, context: string): Buffer;
  };
  /** Takes the record of a refusal that anybody can cause. */
  readonly refusals: Pick<RefusalCounter, 'note'>;
  readonly slowHash: SlowHash;
  readonly issuer: string;
  /** Told when somebody who administers this server has enrolled; may be told again. */
  onAdministratorEnrolled(origin: Origin): Promise<unknown>;
  readonly figures: SignInFigures;
}

/** What making an enrolment link needs: also a command on the host has it. */
export type LinkDeps = Pick<
  SignInDeps,
  'people' | 'credentials' | 'store' | 'freshness' | 'epochs' | 'issuer'
>;

/** How often people signed in, and were refused, for metrics. */
export type SignInOutcome = 'signed-in' | 'password-refused' | 'factor-refused' | 'limited';
export type SignInFigures = Record<SignInOutcome, number>;

export function newSignInFigures(): SignInFigures {
  return { 'signed-in': 0, 'password-refused': 0, 'factor-refused': 0, limited: 0 };
}

/** Changes made at the same time by as many requests of one person as can be meant well. */
export const MAX_ATTEMPTS = 20;
