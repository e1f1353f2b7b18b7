import {
  type AuditEventType,
  type Authority,
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import type { ClientCredential } from '../clients/index.ts';
import type { Agent } from './agent.ts';
import { type AgentDeps, assertNotRetired, assertNotStronger, getAgent } from './check-agent.ts';

/** What becomes of a credential: another one, or one less. */
interface CredentialChange {
  readonly type: Extract<AuditEventType, `agent.${'key' | 'secret'}-${string}`>;
  /** For the trail: what it is called, and never its value. */
  readonly detail?: Readonly<Record<string, string>>;
  readonly change: (current: ClientCredential) => ClientCredential;
}

/**
 * Changes with what an agent proves itself. Whoever holds it is the agent, so the caller must hold what the agent holds of our own API.
 * What only takes away may be done to a retired agent too.
 *
 * @throws {Refused<AgentRefusal>} and what `change` throws
 */
export function reviseCredential(
  deps: Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>,
  id: string,
  { type, detail, change }: CredentialChange,
  authority: Authority | typeof TAKES_AWAY,
  origin: Origin,
  ifMatch: IfMatch | undefined,
): Promise<Agent> {
  return reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    async current => {
      if (authority !== TAKES_AWAY) assertNotRetired(current);
      await assertNotStronger(deps, current, origin);
      const credential = change(current.credential);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [{ type, outcome: 'done', ...eventOrigin(origin), target: id, ...(detail && { detail }) }],
      };
    },
    authority,
    origin.now,
  );
}
