import {
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { withoutKey } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import { type AgentDeps, assertNotStronger, getAgent } from './check-agent.ts';

/**
 * Ends one public key of an agent at once. Tokens that were got with it live on to their end: `revokeAgentTokens` ends those. That the
 * other key works on is what makes a rotation possible without a failed request.
 *
 * @param keyId as it is listed
 * @throws {Refused<AgentRefusal | ClientKeyRefusal>} `agent-unknown`, `admin-scope-not-held`, `credential-takes-no-key`,
 *   `client-key-unknown`
 */
export function revokeAgentKey(
  deps: Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>,
  id: string,
  keyId: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<Agent> {
  return reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    async current => {
      await assertNotStronger(deps, current, origin);
      const credential = withoutKey(current.credential, keyId);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [
          {
            type: 'agent.key-revoked',
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            detail: { key: keyId },
          },
        ],
      };
    },
    TAKES_AWAY,
    origin.now,
  );
}
