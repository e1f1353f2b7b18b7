import type { JWK } from 'jose';
import {
  type AuthorisedOrigin,
  assertVersion,
  eventOrigin,
  type IfMatch,
  reviseRecord,
} from '../audit/index.ts';
import { addKey, publicKeyId } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import { type AgentDeps, assertNotRetired, assertNotStronger, getAgent } from './check-agent.ts';

/**
 * Registers another public key for an agent. The newest one before is accepted too, until the next is added; older ones stop working.
 * Whoever holds its other half is the agent, so the caller must hold what the agent holds of our own API.
 *
 * @throws {Refused<AgentRefusal | ClientKeyRefusal>}
 */
export function addAgentKey(
  deps: Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>,
  id: string,
  key: JWK,
  origin: AuthorisedOrigin,
  ifMatch?: IfMatch,
): Promise<Agent> {
  return reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    async current => {
      assertNotRetired(current);
      await assertNotStronger(deps, current, origin);
      const credential = addKey(current.credential, key);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [
          {
            type: 'agent.key-added',
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            detail: { key: publicKeyId(key) },
          },
        ],
      };
    },
    origin.authority,
    origin.now,
  );
}
