import { type JudgedElevation, listElevations } from '../elevation/index.ts';
import type { PageDeps, SignedInVisit } from './page-deps.ts';

/** So many are looked at, however much somebody asks (I16). */
export const MOST_READ = 200;

/** What waits for somebody: the least time left first. */
export async function listWaiting(deps: PageDeps, visit: SignedInVisit): Promise<readonly JudgedElevation[]> {
  await deps.freshness.fresh();
  const query = { approverId: visit.session.person.id, status: 'pending', limit: MOST_READ } as const;
  const { items } = await listElevations(deps.elevation, query, visit.origin);
  return items.toSorted((a, b) => a.elevation.decideBy - b.elevation.decideBy);
}

/** How many wait, in a sentence. */
export function countInWords(count: number, { words: { t } }: SignedInVisit): string {
  if (count === 0) return t('approvals.waiting-none');
  if (count === 1) return t('approvals.waiting-one');
  return t('approvals.waiting-many', { count: count < MOST_READ ? count : `${MOST_READ}+` });
}
