import {
  type AuditEventType,
  type AuthorisedOrigin,
  type Authority,
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { type KillInput, killDetail, killInput, parseInput } from '../input/index.ts';
import type { Agent } from './agent.ts';
import { type AgentDeps, assertNotRetired, assertNotStronger, getAgent } from './check-agent.ts';

type StandingDeps = Pick<AgentDeps, 'agents' | 'freshness'>;
/** Of what a kill does not do, or what nobody could take back. */
type StrengthDeps = Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>;

/**
 * Kills an agent: one write closes its status and raises its epoch, so that everything it holds is dead everywhere and its
 * credentials prove nothing until somebody restores it. Killing a suspended or retired agent changes nothing.
 *
 * @throws {Refused<AgentRefusal>} `agent-unknown`
 */
export function killAgent(
  deps: StandingDeps,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
  input: KillInput = {},
): Promise<Agent> {
  return reviseStanding(
    deps,
    id,
    'agent.killed',
    TAKES_AWAY,
    origin,
    ifMatch,
    current =>
      current.status === 'active' ? { ...current, status: 'suspended', epoch: current.epoch + 1 } : undefined,
    killDetail(parseInput(killInput, input)),
  );
}

/**
 * Ends everything that an agent holds, and lets it go on: it can get new tokens at once.
 *
 * @throws {Refused<AgentRefusal>} `agent-unknown`
 */
export function revokeAgentTokens(
  deps: StandingDeps,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<Agent> {
  return reviseStanding(deps, id, 'agent.tokens-revoked', TAKES_AWAY, origin, ifMatch, current => ({
    ...current,
    epoch: current.epoch + 1,
  }));
}

/**
 * Ends an agent for good, as a kill does and without a way back. Retiring a retired agent changes nothing.
 *
 * @throws {Refused<AgentRefusal>} `agent-unknown`, `admin-scope-not-held`
 */
export function retireAgent(
  deps: StrengthDeps,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<Agent> {
  return reviseStanding(deps, id, 'agent.retired', TAKES_AWAY, origin, ifMatch, async current => {
    await assertNotStronger(deps, current, origin);
    return current.status === 'retired'
      ? undefined
      : { ...current, status: 'retired', epoch: current.epoch + 1 };
  });
}

/**
 * Lets a suspended agent work again. Its epoch stays raised: what had died stays dead. Restoring an active agent changes nothing.
 *
 * @throws {Refused<AgentRefusal>} `agent-unknown`, `agent-is-retired`, `admin-scope-not-held`
 */
export function restoreAgent(
  deps: StrengthDeps,
  id: string,
  origin: AuthorisedOrigin,
  ifMatch?: IfMatch,
): Promise<Agent> {
  return reviseStanding(deps, id, 'agent.restored', origin.authority, origin, ifMatch, async current => {
    assertNotRetired(current);
    await assertNotStronger(deps, current, origin);
    return current.status === 'active' ? undefined : { ...current, status: 'active' };
  });
}

function reviseStanding(
  deps: StandingDeps,
  id: string,
  type: AuditEventType,
  authority: Authority,
  origin: Origin,
  ifMatch: IfMatch | undefined,
  decide: (current: Agent) => Agent | undefined | Promise<Agent | undefined>,
  detail: { readonly reason?: string } = {},
): Promise<Agent> {
  return reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    async current => {
      const record = await decide(current);
      // Also where there is nothing to do: whoever names a version wants to know that it is another one.
      assertVersion(current, ifMatch);
      if (!record) return undefined;
      return {
        record,
        events: [
          {
            type,
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            detail: { epoch: record.epoch, ...detail },
          },
        ],
      };
    },
    authority,
    origin.now,
  );
}
