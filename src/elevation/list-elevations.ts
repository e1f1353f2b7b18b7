import { type ListQuery, type Page, pageRequest } from '../input/index.ts';
import type { Elevation, ElevationStatus } from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';
import { ELEVATION_FACETS } from './elevation-facets.ts';
import { elevationStatus, type StepWorld } from './move-elevation.ts';

/** An elevation with what it is now. */
export interface JudgedElevation {
  readonly elevation: Elevation;
  readonly status: ElevationStatus;
}

/** Which elevations are asked for. */
export interface ElevationFilter {
  readonly approverId?: string | undefined;
  readonly agentId?: string | undefined;
  readonly subject?: string | undefined;
  readonly resource?: string | undefined;
  readonly status?: ElevationStatus | undefined;
}

export type ElevationListQuery = ElevationFilter & Pick<ListQuery, 'after' | 'limit' | 'sort'>;

export type ListElevationsDeps = Pick<ElevationDeps, 'epochs'> & {
  readonly elevations: Pick<ElevationDeps['elevations'], 'listElevations'>;
};

/** How often the store is asked for one page: a list with nothing in it must not take for ever. */
const MAX_READS = 40;

/**
 * Lists elevations. What one is at this moment is not all recorded, since it may have run out meanwhile, or what it rests on may have
 * ended: those that the index has and that are something else now are passed over, so that a page may be shorter than was asked for, and
 * still have a next one. What is over and still recorded as waiting is found once the sweep has recorded it.
 */
export async function listElevations(
  deps: ListElevationsDeps,
  query: ElevationListQuery,
  world: Pick<StepWorld, 'latest'>,
): Promise<Page<JudgedElevation>> {
  const { approverId, agentId, subject, resource, status } = query;
  const request = pageRequest(query, [
    approverId === undefined ? undefined : ELEVATION_FACETS.approver(approverId),
    agentId === undefined ? undefined : ELEVATION_FACETS.agent(agentId),
    subject === undefined ? undefined : ELEVATION_FACETS.subject(subject),
    resource === undefined ? undefined : ELEVATION_FACETS.resource(resource),
    status === undefined ? undefined : ELEVATION_FACETS.status(status),
  ]);
  const items: JudgedElevation[] = [];
  let { after } = request;
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    const page = await deps.elevations.listElevations({
      ...request,
      limit: request.limit - items.length,
      ...(after !== undefined && { after }),
    });
    const judged = page.items.map(elevation => judgeElevation(deps, elevation, world));
    items.push(...judged.filter(each => status === undefined || each.status === status));
    after = page.next;
    if (after === undefined) return { items };
    if (items.length === request.limit) break;
  }
  return { items, ...(after !== undefined && { next: after }) };
}

export function judgeElevation(
  { epochs }: Pick<ElevationDeps, 'epochs'>,
  elevation: Elevation,
  { latest }: Pick<StepWorld, 'latest'>,
): JudgedElevation {
  return { elevation, status: elevationStatus(elevation, { latest, epochs }) };
}
