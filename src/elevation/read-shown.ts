import type { ExpectVersion } from '../audit/index.ts';
import {
  digestOfShown,
  type ShownElevation,
  type ShownRecords,
  showElevation,
  versionsOf,
} from './digest.ts';
import type { Elevation } from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';

/** A request as it is shown now, and what it was shown from. */
export interface ShownNow {
  readonly shown: ShownElevation;
  readonly digest: string;
  readonly records: ShownRecords;
  readonly versions: readonly ExpectVersion[];
}

export type ReadShownDeps = Pick<ElevationDeps, 'agents' | 'people' | 'delegations' | 'resources'>;

/**
 * Reads the records that a request is shown from, and shows it: the one way at the display, at the decision and at the redemption.
 *
 * @returns undefined where one of the records is gone: then there is nothing to be decided on
 */
export async function readShown(deps: ReadShownDeps, elevation: Elevation): Promise<ShownNow | undefined> {
  const { agentId, ownerId, actors, subject, delegationId, resourceId } = elevation;
  const [agent, owner, resource, delegation, person, ...actorAgents] = await Promise.all([
    deps.agents.findAgent(agentId),
    deps.people.findPerson(ownerId),
    deps.resources.findResource(resourceId),
    delegationId && deps.delegations.findDelegation(delegationId),
    delegationId && deps.people.findPerson(subject),
    ...actors.map(id => deps.agents.findAgent(id)),
  ]);
  const found = actorAgents.filter(each => each !== undefined);
  const isWhole = found.length === actors.length && (!delegationId || (delegation && person));
  if (!agent || !owner || !resource || !isWhole) return undefined;
  const records: ShownRecords = {
    agent,
    owner,
    actors: found,
    resource,
    ...(delegationId && { delegation: delegation || undefined, person: person || undefined }),
  };
  const shown = showElevation(elevation, records);
  return { shown, digest: digestOfShown(shown), records, versions: versionsOf(records) };
}
