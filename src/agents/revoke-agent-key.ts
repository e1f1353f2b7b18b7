import { type IfMatch, type Origin, TAKES_AWAY } from '../audit/index.ts';
import { type ClientCredential, withoutKey } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import type { AgentDeps } from './check-agent.ts';
import { reviseCredential } from './revise-credential.ts';

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
  const change = {
    type: 'agent.key-revoked',
    detail: { key: keyId },
    change: (current: ClientCredential) => withoutKey(current, keyId),
  } as const;
  return reviseCredential(deps, id, change, TAKES_AWAY, origin, ifMatch);
}
