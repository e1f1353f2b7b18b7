import { randomUUID } from 'node:crypto';
import type { CheckpointFigures, CommitPort, DeliveryFigures } from '../audit/index.ts';
import type { ServerClock } from '../clock.ts';
import type { SigningKeyring } from '../keys/index.ts';
import type { Epochs } from '../liveness.ts';
import type { TokenChange } from '../tokens/index.ts';
import { checkClock } from './clock-check.ts';
import { assertOpen } from './quarantine-gate.ts';
import type { ReadinessCheck } from './readiness.ts';

/** A commit that takes longer: requests that change something had better go to another process. */
const SLOW_COMMIT_MS = 5_000;
/** Checkpoints are exported once a minute. */
const UNEXPORTED_MS = 300_000;

export interface ReadinessCheckDeps {
  readonly isStopping: () => boolean;
  readonly store: {
    readonly epochs: Epochs;
    fresh(): Promise<void>;
    /** What is wrong with our time by the database's; undefined where nothing is. */
    clockProblem(): string | undefined;
    readonly commit: CommitPort<TokenChange>['commit'];
    readonly figures: { readonly commits: { oldestWaitMs(): number; readonly hasFailed: boolean } };
  };
  readonly keyring: Pick<SigningKeyring, 'refresh' | 'publicKeys'>;
  /** Where checkpoints are exported. */
  readonly checkpoints: CheckpointFigures | undefined;
  /** Where they are delivered too. */
  readonly delivery: DeliveryFigures | undefined;
  readonly clock: Pick<ServerClock, 'now' | 'moment' | 'state'>;
}

/** What must work before requests are taken, and what somebody should know of, by the names that `/readyz` tells. */
export function readinessChecks({
  isStopping,
  store,
  keyring,
  checkpoints,
  delivery,
  clock,
}: ReadinessCheckDeps): Readonly<Record<string, ReadinessCheck>> {
  return {
    process: { check: () => failWhen(isStopping(), 'stopping') },
    store: { check: () => store.fresh() },
    commits: {
      check: async () => {
        const { commits } = store.figures;
        failWhen(commits.oldestWaitMs() > SLOW_COMMIT_MS, 'a commit does not end');
        // Whoever gets no requests for it would never know that it can write again.
        if (commits.hasFailed) await commitSomething(store, clock.now()).catch(() => undefined);
        failWhen(commits.hasFailed, 'the last commit failed');
      },
    },
    clock: {
      check: () => {
        const problem = store.clockProblem();
        failWhen(problem !== undefined, problem ?? '');
        checkClock(clock);
      },
    },
    quarantine: { check: () => assertOpen(store.epochs) },
    // Opaque tokens need none.
    signingKeys: {
      check: async () => {
        await keyring.refresh();
        failWhen(keyring.publicKeys.keys.length === 0, 'no signing key can be used');
      },
      isAdvisory: true,
    },
    ...(checkpoints && {
      // The trail itself is in the store: not to answer would not export it any sooner.
      auditCheckpoint: {
        check: () => failWhen(clock.now() - checkpoints.coveredUntil > UNEXPORTED_MS, 'not exported'),
        isAdvisory: true as const,
      },
    }),
    ...(delivery && {
      auditDelivery: {
        check: () => failWhen(isLongAgo(delivery.waitingSince, clock.now()), 'not delivered'),
        isAdvisory: true as const,
      },
    }),
  };
}

/** Commits a value that nobody will use, which is swept like any other. */
async function commitSomething(
  store: Pick<ReadinessCheckDeps['store'], 'commit'>,
  now: number,
): Promise<void> {
  const value = `readiness ${randomUUID()}`;
  await store.commit({ changes: [{ kind: 'use-once', value, usableFrom: now, expiresAt: now }], events: [] });
}

function isLongAgo(since: number | undefined, now: number): boolean {
  return since !== undefined && now - since > UNEXPORTED_MS;
}

/** @throws {Error} with the reason, where it is so */
function failWhen(isSo: boolean, reason: string): void {
  if (isSo) throw new Error(reason);
}
