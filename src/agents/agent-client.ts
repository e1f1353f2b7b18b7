import type { Client } from '../clients/index.ts';
import { handle } from '../liveness.ts';
import { type Agent, agentStatus } from './agent.ts';

/**
 * An agent as the protocol sees it: the client that it acts through.
 *
 * @param nowMs milliseconds since the epoch
 */
export function agentClient(agent: Agent, nowMs: number): Client {
  return {
    clientId: agent.id,
    kind: 'agent',
    principalId: agent.id,
    handle: handle(agent.id, agent.epoch),
    credential: agent.credential,
    enabled: agentStatus(agent, nowMs) === 'active',
    ...(agent.application && {
      redirectUris: agent.application.redirectUris,
      refreshTokens: agent.application.refreshTokens,
    }),
  };
}
