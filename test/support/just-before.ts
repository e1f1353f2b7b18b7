import type { Unit } from '../../src/audit/index.ts';
import type { Change, Store } from '../../src/store/store.ts';

/**
 * Has something happen after all that led to a unit has been checked, and before the unit is committed: once, to the first that is
 * meant. What happens must go by another store, as in another process.
 *
 * @returns tells whether it has happened
 */
export function justBefore(
  store: Store,
  isMeant: (change: Change) => boolean,
  happen: () => Promise<unknown>,
): () => boolean {
  const commit = store.commit;
  let hasHappened = false;
  store.commit = async (unit: Unit<Change>) => {
    if (!hasHappened && unit.changes.some(isMeant)) {
      hasHappened = true;
      store.commit = commit;
      await happen();
    }
    return commit.call(store, unit);
  };
  return () => hasHappened;
}
