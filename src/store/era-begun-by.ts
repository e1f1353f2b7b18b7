import { DEPLOYMENT, eraOf } from '../deployment-epoch.ts';
import type { Change } from './store.ts';

/** The era that a unit begins or is of, where it says so; 0 for all others. */
export function eraBegunBy({ changes }: { readonly changes: readonly Change[] }): number {
  let era = 0;
  for (const change of changes) {
    if (change.kind === 'replace' && change.record.id === DEPLOYMENT) era = eraOf(change.record.epoch);
  }
  return era;
}
