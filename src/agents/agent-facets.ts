import { identifierKey } from '../resources/resource.ts';
import type { Agent, RecordedAgentStatus } from './agent.ts';

/** By what agents are found. */
export const AGENT_FACETS = {
  status: (status: RecordedAgentStatus): string => `status ${status}`,
  owner: (ownerId: string): string => `owner ${ownerId}`,
  resource: (identifier: string): string => `resource ${identifierKey(identifier)}`,
  /** It has an end, and is not retired: it is expired or will be. */
  expires: 'expires',
  /** It admits applications that describe themselves. */
  template: 'template',
};

/** Everything by which an agent is found. */
export function agentFacets(agent: Agent): readonly string[] {
  return [
    AGENT_FACETS.status(agent.status),
    AGENT_FACETS.owner(agent.ownerId),
    ...agent.envelope.map(({ resource }) => AGENT_FACETS.resource(resource)),
    ...(agent.application?.redirectUris.length === 0 ? [AGENT_FACETS.template] : []),
    ...(agent.expiresAt !== undefined && agent.status !== 'retired' ? [AGENT_FACETS.expires] : []),
  ];
}
