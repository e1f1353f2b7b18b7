import { type IfMatch, type Origin, TAKES_AWAY } from '../audit/index.ts';
import { type ClientCredential, withoutSecret } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import type { AgentDeps } from './check-agent.ts';
import { reviseCredential } from './revise-credential.ts';

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
  const change = {
    type: 'agent.secret-revoked',
    detail: { secret: secretId },
    change: (current: ClientCredential) => withoutSecret(current, secretId),
  } as const;
  return reviseCredential(deps, id, change, TAKES_AWAY, origin, ifMatch);
}
