import type { AuditStore, Freshness, Origin } from '../audit/index.ts';
import type { Deployment, DeploymentStore } from './deployment.ts';
import { ensureDeployment } from './ensure-deployment.ts';
import { isRolledBack, readHighWaterMark } from './high-water-mark.ts';
import { quarantineDeployment } from './quarantine.ts';

export interface StartDeps {
  readonly deployment: DeploymentStore;
  readonly freshness: Freshness;
  readonly trail: Pick<AuditStore, 'listLanes' | 'readLane'>;
  readonly markFile: string;
}

/** What was written this much before somebody noticed belongs to what happened since, too: other processes may have been first. */
export const STARTED_TOGETHER_MS = 10 * 60_000;

/**
 * What a process does first: it finds out which store it has, and whether somebody has put an older one in its place. Such a
 * store is quarantined before anything is granted.
 *
 * @throws {Error} when the high-water mark is damaged
 */
export async function openDeployment(deps: StartDeps, origin: Origin): Promise<Deployment> {
  const deployment = await ensureDeployment(deps.deployment, deps.freshness, origin);
  const mark = await readHighWaterMark(deps.markFile);
  if (!mark || !(await isRolledBack(mark, deployment, deps.trail))) return deployment;
  const since = origin.now - STARTED_TOGETHER_MS;
  return quarantineDeployment(deps, { cause: 'rolled-back', since, highestEpoch: mark.epoch }, origin);
}
