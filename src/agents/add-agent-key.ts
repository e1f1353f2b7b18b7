import type { JWK } from 'jose';
import type { AuthorisedOrigin, IfMatch } from '../audit/index.ts';
import { addKey, type ClientCredential, publicKeyId } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import type { AgentDeps } from './check-agent.ts';
import { reviseCredential } from './revise-credential.ts';

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
  const change = {
    type: 'agent.key-added',
    detail: { key: publicKeyId(key) },
    change: (current: ClientCredential) => addKey(current, key),
  } as const;
  return reviseCredential(deps, id, change, origin.authority, origin, ifMatch);
}
