import { eventOrigin, type Freshness, type Origin } from '../audit/index.ts';
import { DEPLOYMENT } from '../deployment-epoch.ts';
import { StoreUnavailable } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Deployment, DeploymentStore } from './deployment.ts';

/** What the store knows of itself; a store that has never been used gets its name now. Safe when processes start together. */
export async function ensureDeployment(
  store: DeploymentStore,
  freshness: Freshness,
  origin: Origin,
): Promise<Deployment> {
  await freshness.fresh();
  const known = await store.findDeployment();
  if (known) return known;
  const record: Deployment = {
    id: DEPLOYMENT,
    storeId: newId('sto', origin.now),
    version: 1,
    epoch: 0,
    createdAt: origin.now,
    updatedAt: origin.now,
  };
  await store.commit({
    changes: [{ kind: 'insert', collection: 'deployment', record }],
    events: [
      {
        type: 'deployment.created',
        outcome: 'done',
        ...eventOrigin(origin),
        target: record.storeId,
      },
    ],
    authority: { none: 'boot' },
  });
  // Another process may have been first.
  await freshness.fresh();
  const made = await store.findDeployment();
  if (!made) throw new StoreUnavailable('the store does not keep its name');
  return made;
}
