import type { Unit } from '../audit/index.ts';
import type { Change } from './store.ts';

/**
 * Whether a unit gives nobody anything: kills, ends, denials, cutoffs, and rows of the trail alone, as of refusals. Such units are
 * committed by a process whose clock is wrong, too: nobody outlives their end for that.
 */
export function takesAwayOnly({ changes, authority }: Unit<Change>): boolean {
  const isEnd = authority !== undefined && 'none' in authority && authority.none === 'takes-away';
  return changes.every(({ kind }) => {
    switch (kind) {
      case 'cut-off':
      case 'end-passes':
      case 'take-pass':
      case 'engine-destroy':
      case 'engine-revoke-grant':
        return true;
      case 'replace':
        return isEnd;
      default:
        return false;
    }
  });
}
