import { DEPLOYMENT, isFromBeforeRestore } from '../deployment-epoch.ts';
import type { Epochs } from '../liveness.ts';
import type { Change } from './store.ts';

/**
 * Whether changes would use up a single-use value that may have been used before the last restore: what a backup cannot know
 * counts as used (I1). The one place where that is decided, for every kind of single-use value and both stores.
 */
export function mayHaveBeenUsed(changes: readonly Change[], epochs: Epochs): boolean {
  const epoch = epochs.raisedTo(DEPLOYMENT);
  if (epoch === 0) return false;
  return changes.some(change => change.kind === 'use-once' && isFromBeforeRestore(epoch, change.usableFrom));
}
