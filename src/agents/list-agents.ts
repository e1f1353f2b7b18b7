import { type ListQuery, type Page, pageRequest } from '../input/index.ts';
import { type Agent, type AgentStatus, agentStatus } from './agent.ts';
import { AGENT_FACETS } from './agent-facets.ts';
import type { AgentStore } from './agent-store.ts';

/** Which agents are asked for. */
export interface AgentListQuery extends ListQuery {
  readonly status?: AgentStatus | undefined;
  readonly ownerId?: string | undefined;
  readonly resource?: string | undefined;
}

/** How often the store is asked for one page: a list with nothing in it must not take for ever. */
const MAX_READS = 40;

/**
 * Lists agents. What an agent is at this moment is not all recorded, since it may have come to its end meanwhile: those that the
 * index has and the clock has not are passed over, so that a page may be shorter than was asked for, and still have a next one.
 *
 * @param now milliseconds since the epoch
 * @throws {Refused<InputRefusal>} where filters and order do not go together
 */
export async function listAgents(
  agents: Pick<AgentStore, 'listAgents'>,
  query: AgentListQuery,
  now: number,
): Promise<Page<Agent>> {
  const { status, ownerId, resource } = query;
  const request = pageRequest(query, [
    ownerId === undefined ? undefined : AGENT_FACETS.owner(ownerId),
    resource === undefined ? undefined : AGENT_FACETS.resource(resource),
    status === undefined
      ? undefined
      : status === 'expired'
        ? AGENT_FACETS.expires
        : AGENT_FACETS.status(status),
  ]);
  const items: Agent[] = [];
  let { after } = request;
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    const page = await agents.listAgents({
      ...request,
      limit: request.limit - items.length,
      ...(after !== undefined && { after }),
    });
    items.push(...page.items.filter(agent => status === undefined || agentStatus(agent, now) === status));
    after = page.next;
    if (after === undefined) return { items };
    if (items.length === request.limit) break;
  }
  return { items, ...(after !== undefined && { next: after }) };
}
