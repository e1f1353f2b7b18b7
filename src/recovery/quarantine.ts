import { type AuditEvent, eventOrigin, type Freshness, type Origin } from '../audit/index.ts';
import { openEpoch, quarantineEpoch } from '../deployment-epoch.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import type { Deployment, DeploymentChange, DeploymentStore, Quarantine } from './deployment.ts';
import { ensureDeployment } from './ensure-deployment.ts';
import type { RecoveryRefusal } from './recovery-refusal.ts';

export interface QuarantineDeps {
  readonly deployment: DeploymentStore;
  readonly freshness: Freshness;
}

export interface QuarantineOrder extends Quarantine {
  /** The highest epoch that the deployment is known to have had elsewhere, such as in the store that a backup replaces. */
  readonly highestEpoch?: number;
}

const MAX_ATTEMPTS = 20;

/**
 * Closes the deployment in one commit: every token is dead, everything pending is void, whatever is good for one use and may have
 * been used is refused, and nothing is granted until it is opened. Closing a closed one begins again: what was decided is void.
 */
export function quarantineDeployment(
  deps: QuarantineDeps,
  { highestEpoch = 0, ...quarantine }: QuarantineOrder,
  origin: Origin,
): Promise<Deployment> {
  return reviseDeployment(deps, origin, current => {
    const epoch = quarantineEpoch(Math.max(current.epoch, highestEpoch), origin.now);
    return {
      record: { ...current, epoch, quarantine },
      more: [{ kind: 'void-pending' }],
      event: {
        type: 'deployment.quarantined',
        outcome: 'done',
        ...eventOrigin(origin),
        target: current.storeId,
        detail: {
          cause: quarantine.cause,
          epoch,
          ...(quarantine.backupMadeAt !== undefined && { backupMadeAt: quarantine.backupMadeAt }),
        },
      },
    };
  });
}

/**
 * Ends a quarantine. Whoever calls it has seen to it that nothing lives again which had died after the backup: see
 * `openAsConfirmed` and `replayTrail`.
 *
 * @param how for the trail
 * @throws {Refused<RecoveryRefusal>} `not-quarantined`, also when it was closed anew since `epoch` was read
 */
export function endQuarantine(
  deps: QuarantineDeps,
  epoch: number,
  how: NonNullable<AuditEvent['detail']>,
  origin: Origin,
): Promise<Deployment> {
  return reviseDeployment(deps, origin, current => {
    if (!current.quarantine || current.epoch !== epoch) {
      throw new Refused<RecoveryRefusal>('not-quarantined');
    }
    const { quarantine: _, ...open } = current;
    return {
      record: { ...open, epoch: openEpoch(epoch) },
      more: [],
      event: {
        type: 'deployment.opened',
        outcome: 'done',
        ...eventOrigin(origin),
        target: current.storeId,
        detail: how,
      },
    };
  });
}

/**
 * The quarantine that the deployment is in.
 *
 * @throws {Refused<RecoveryRefusal>} `not-quarantined`
 */
export async function getQuarantined(
  deps: QuarantineDeps,
): Promise<Deployment & { readonly quarantine: Quarantine }> {
  await deps.freshness.fresh();
  const deployment = await deps.deployment.findDeployment();
  if (!deployment?.quarantine) throw new Refused<RecoveryRefusal>('not-quarantined');
  return { ...deployment, quarantine: deployment.quarantine };
}

interface DeploymentStep {
  readonly record: Deployment;
  readonly more: readonly DeploymentChange[];
  readonly event: AuditEvent;
}

/**
 * Reads what the store knows of itself, decides, and commits, or again from the start when another process came first.
 *
 * @param decide may run more than once; undefined where everything is as it should be
 */
export async function reviseDeployment(
  { deployment, freshness }: QuarantineDeps,
  origin: Origin,
  decide: (current: Deployment) => DeploymentStep | undefined,
): Promise<Deployment> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const current = await ensureDeployment(deployment, freshness, origin);
    const step = decide(current);
    if (!step) return current;
    const record = {
      ...step.record,
      version: current.version + 1,
      updatedAt: Math.max(origin.now, current.updatedAt),
    };
    const outcome = await deployment.commit({
      changes: [
        { kind: 'replace', collection: 'deployment', record, ifVersion: current.version },
        ...step.more,
      ],
      events: [step.event],
      authority: { none: 'host-command' },
    });
    if (outcome.committed) return record;
  }
  throw new StoreUnavailable('the deployment was changed again and again while it was being changed');
}
