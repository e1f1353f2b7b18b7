import {
  type AuthorisedOrigin,
  assertVersion,
  eventOrigin,
  type IfMatch,
  reviseRecord,
} from '../audit/index.ts';
import { addSecret, newClientSecret } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import { type AgentDeps, assertNotRetired, assertNotStronger, getAgent } from './check-agent.ts';

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
  const agent = await reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    async current => {
      assertNotRetired(current);
      await assertNotStronger(deps, current, origin);
      const credential = addSecret(current.credential, secret, origin.now);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [{ type: 'agent.secret-issued', outcome: 'done', ...eventOrigin(origin), target: id }],
      };
    },
    origin.authority,
    origin.now,
  );
  return { agent, secret };
}
