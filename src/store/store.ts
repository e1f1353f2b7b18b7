import type { AgentChange, AgentStore } from '../agents/index.ts';
import type { AuditStore, CommitPort, ExpectVersion, MoveCuts, RetentionStore } from '../audit/index.ts';
import type { Clock } from '../clock.ts';
import type { DelegationChange, DelegationStore } from '../delegation/index.ts';
import type { ElevationChange, ElevationStore } from '../elevation/index.ts';
import type { KeepAnswer, KeptAnswerStore } from '../idempotency/index.ts';
import type { SigningKeyChange, SigningKeyStore } from '../keys/index.ts';
import type { AttemptStore } from '../limits/index.ts';
import type {
  CredentialChange,
  CredentialStore,
  PassChange,
  PassStore,
  PersonChange,
  PersonStore,
} from '../people/index.ts';
import type { EngineChange, EngineStore } from '../provider/engine-store.ts';
import type { DeploymentChange, DeploymentStore } from '../recovery/deployment.ts';
import type { ResourceChange, ResourceStore } from '../resources/index.ts';
import type { TokenChange, TokenStore } from '../tokens/index.ts';
import type { StoreFigures } from './store-figures.ts';

export type { StoreFigures };

/** Everything that a unit of commit may change. */
export type Change =
  | AgentChange
  | CredentialChange
  | DelegationChange
  | DeploymentChange
  | ElevationChange
  | EngineChange
  | ExpectVersion
  | KeepAnswer
  | MoveCuts
  | PassChange
  | PersonChange
  | ResourceChange
  | SigningKeyChange
  | TokenChange;

/**
 * What an embedded or a production store provides: the ports of all capabilities, behind one commit. `store/sqlite/` and
 * `store/mongo/` hold the two; `test/contract/` says in tests what both must do.
 */
export interface Store
  extends AgentStore,
    AttemptStore,
    CredentialStore,
    DelegationStore,
    DeploymentStore,
    ElevationStore,
    EngineStore,
    KeptAnswerStore,
    PassStore,
    PersonStore,
    ResourceStore,
    RetentionStore,
    SigningKeyStore,
    TokenStore,
    AuditStore,
    CommitPort<Change> {
  commit: CommitPort<Change>['commit'];

  /** In words for a log: which database, where, which version. Never with credentials. */
  readonly description: string;

  /**
   * Why this process commits only what takes authority away: its clock is wrong by that of the database, which all processes share.
   * Undefined where it is right, or the database has no clock of its own.
   */
  clockProblem(): string | undefined;

  /** Of its own work, for metrics and probes. */
  readonly figures: StoreFigures;

  /** Deletes expired tokens, passes and engine records, used single-use values and forgotten cutoffs, a small batch at a time. @returns rows deleted */
  sweep(): Promise<number>;

  /** Finishes the commits under way, then closes. Later calls are rejected with `StoreUnavailable`. */
  close(): Promise<void>;
}

/** What a store can tell of the time. */
export interface KeptTimes extends Pick<Store, 'clockProblem'> {
  /** The highest time at which anything was committed, in milliseconds since the epoch; undefined where none was kept yet. */
  readonly lastCommittedAt: number | undefined;
}

/** How a store is opened. */
export interface StoreOptions {
  /** The present: what is written and swept goes by it. */
  readonly now: Clock;
  /** The latest that it may be: what has ended by then has ended (`Moment`). `now` where absent: there is no doubt. */
  readonly latest?: Clock | undefined;
  /** Called before anything is committed: where it rejects, the store is not opened. */
  readonly agreeOnTime?: ((kept: KeptTimes) => Promise<void>) | undefined;
  /** Called when it is heard that the machine's clock was accepted, though later times had been committed. */
  readonly onClockAccepted?: (() => void) | undefined;
  /** The name of this process's lane of the audit trail. */
  readonly lane: string;
  /** Nothing is to be committed: no lane is opened, and every commit is rejected. */
  readonly readsOnly?: boolean | undefined;
  /** What time the database has; it is asked where absent. */
  readonly databaseTime?: Clock | undefined;
  /**
   * How many times longer than usual MongoDB may take with an answer, and another process with its transaction; 1 where absent.
   * More is for tests on a busy machine.
   */
  readonly patience?: number | undefined;
}

/** What a commit is rejected with where nothing is to be committed. */
export function openedToRead(): Error {
  return new Error('the store was opened to be read: nothing is committed');
}
