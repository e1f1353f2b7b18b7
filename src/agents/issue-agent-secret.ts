import { eventOrigin, type Origin, reviseRecord } from '../audit/index.ts';
import { addSecret } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import { type AgentDeps, assertNotRetired, assertNotStronger, getAgent } from './check-agent.ts';

/**
 * Makes a new client secret for an agent. The one before is accepted too, until the next is made. Whoever knows a secret is the
 * agent, so the caller must hold what the agent holds of our own API.
 *
 * @returns the secret, to be shown once
 * @throws {Refused<AgentRefusal | CredentialRefusal>}
 */
export async function issueAgentSecret(
  deps: Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>,
  id: string,
  origin: Origin,
): Promise<{ readonly agent: Agent; readonly secret: string }> {
  let issued = '';
  const agent = await reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    async current => {
      assertNotRetired(current);
      await assertNotStronger(deps, current, origin);
      const { credential, secret } = addSecret(current.credential, origin.now);
      issued = secret;
      return {
        record: { ...current, credential },
        events: [{ type: 'agent.secret-issued', outcome: 'done', ...eventOrigin(origin), target: id }],
      };
    },
    origin.now,
  );
  return { agent, secret: issued };
}
