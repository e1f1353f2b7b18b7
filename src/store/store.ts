import type { AgentChange, AgentStore } from '../agents/index.ts';
import type { AuditStore, CommitPort, MoveCuts, RetentionStore } from '../audit/index.ts';
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
  | DeploymentChange
  | EngineChange
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
    DeploymentStore,
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

  /** Of its own work, for metrics and probes. */
  readonly figures: StoreFigures;

  /** Deletes expired tokens, passes and engine records, used single-use values and forgotten cutoffs, a small batch at a time. @returns rows deleted */
  sweep(): Promise<number>;

  /** Finishes the commits under way, then closes. Later calls are rejected with `StoreUnavailable`. */
  close(): Promise<void>;
}

/** How a store is opened. */
export interface StoreOptions {
  readonly now: () => number;
  /** The name of this process's lane of the audit trail. */
  readonly lane: string;
  /**
   * How many times longer than usual MongoDB may take with an answer, and another process with its transaction; 1 where absent.
   * More is for tests on a busy machine.
   */
  readonly patience?: number | undefined;
}
