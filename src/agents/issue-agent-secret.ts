import type { AuthorisedOrigin, IfMatch } from '../audit/index.ts';
import { addSecret, type ClientCredential, newClientSecret } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import type { AgentDeps } from './check-agent.ts';
import { reviseCredential } from './revise-credential.ts';

/**
 * Makes a new client secret for an agent. The one before is accepted too, until the next is made. Whoever knows a secret is the
 * agent, so the caller must hold what the agent holds of our own API.
 *
 * @param options `secret` is the new one, where the caller has to know it before it is made
 * @returns the secret, to be shown once
 * @throws {Refused<AgentRefusal | CredentialRefusal>}
 */
export async function issueAgentSecret(
  deps: Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>,
  id: string,
  origin: AuthorisedOrigin,
  options: { readonly ifMatch?: IfMatch | undefined; readonly secret?: string } = {},
): Promise<{ readonly agent: Agent; readonly secret: string }> {
  const { ifMatch, secret = newClientSecret() } = options;
  const change = {
    type: 'agent.secret-issued',
    change: (current: ClientCredential) => addSecret(current, secret, origin.now),
  } as const;
  const agent = await reviseCredential(deps, id, change, origin.authority, origin, ifMatch);
  return { agent, secret };
}
