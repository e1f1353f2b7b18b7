import {
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { withoutSecret } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import { type AgentDeps, assertNotStronger, getAgent } from './check-agent.ts';

/**
 * Ends one secret of an agent at once. Tokens that were got with it live on to their end: `revokeAgentTokens` ends those. That the
 * other secret works on is what makes a rotation possible without a failed request.
 *
 * @param secretId as it is listed
 * @throws {Refused<AgentRefusal | CredentialRefusal>} `agent-unknown`, `admin-scope-not-held`, `credential-takes-no-secret`,
 *   `secret-unknown`
 */
export function revokeAgentSecret(
  deps: Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>,
  id: string,
  secretId: string,
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
      const credential = withoutSecret(current.credential, secretId);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [
          {
            type: 'agent.secret-revoked',
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            detail: { secret: secretId },
          },
        ],
      };
    },
    TAKES_AWAY,
    origin.now,
  );
}
