import { type ListQuery, type Page, pageRequest } from '../input/index.ts';
import type { DelegationDeps } from './check-delegation.ts';
import type { Delegation, DelegationStatus } from './delegation.ts';
import { DELEGATION_FACETS } from './delegation-facets.ts';
import { delegationStatus } from './judge-delegation.ts';

/** A delegation with what it is now. */
export interface JudgedDelegation {
  readonly delegation: Delegation;
  readonly status: DelegationStatus;
}

/** Which delegations are asked for. */
export interface DelegationFilter {
  readonly personId?: string | undefined;
  readonly agentId?: string | undefined;
  readonly resource?: string | undefined;
  readonly status?: DelegationStatus | undefined;
}

export type DelegationListQuery = DelegationFilter & Pick<ListQuery, 'after' | 'limit' | 'sort'>;

export type ListDelegationsDeps = Pick<DelegationDeps, 'agents' | 'people' | 'resources'> & {
  readonly delegations: Pick<DelegationDeps['delegations'], 'listDelegations'>;
};

/** How often the store is asked for one page: a list with nothing in it must not take for ever. */
const MAX_READS = 40;
const ALL_AT_ONCE = 100;

/**
 * Lists delegations. What one is at this moment is not all recorded, since it may have run out meanwhile and what it stands on may be
 * stopped: those that the index has and that are something else now are passed over, so that a page may be shorter than was asked
 * for, and still have a next one.
 *
 * @param nowMs milliseconds since the epoch
 */
export async function listDelegations(
  deps: ListDelegationsDeps,
  query: DelegationListQuery,
  nowMs: number,
): Promise<Page<JudgedDelegation>> {
  const { personId, agentId, resource, status } = query;
  const request = pageRequest(query, [
    personId === undefined ? undefined : DELEGATION_FACETS.person(personId),
    agentId === undefined ? undefined : DELEGATION_FACETS.agent(agentId),
    resource === undefined ? undefined : DELEGATION_FACETS.resource(resource),
    status === undefined ? undefined : DELEGATION_FACETS.status(status === 'ended' ? 'ended' : 'active'),
  ]);
  const items: JudgedDelegation[] = [];
  let { after } = request;
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    const page = await deps.delegations.listDelegations({
      ...request,
      limit: request.limit - items.length,
      ...(after !== undefined && { after }),
    });
    const judged = await Promise.all(page.items.map(delegation => judgeDelegation(deps, delegation, nowMs)));
    items.push(...judged.filter(each => status === undefined || each.status === status));
    after = page.next;
    if (after === undefined) return { items };
    if (items.length === request.limit) break;
  }
  return { items, ...(after !== undefined && { next: after }) };
}

/** Every delegation that is asked for, oldest first, however many there are. */
export async function* eachDelegation(
  deps: ListDelegationsDeps,
  filter: DelegationFilter,
  nowMs: number,
): AsyncGenerator<JudgedDelegation> {
  let after: string | undefined;
  do {
    const page = await listDelegations(deps, { ...filter, limit: ALL_AT_ONCE, after }, nowMs);
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}

/** What a delegation is now, with whom and what it stands on. */
export async function judgeDelegation(
  { people, agents, resources }: Pick<DelegationDeps, 'agents' | 'people' | 'resources'>,
  delegation: Delegation,
  nowMs: number,
): Promise<JudgedDelegation> {
  const [person, agent, resource] = await Promise.all([
    people.findPerson(delegation.personId),
    agents.findAgent(delegation.agentId),
    resources.findResource(delegation.resourceId),
  ]);
  return { delegation, status: delegationStatus(delegation, { person, agent, resource }, nowMs) };
}
