import { isDeepStrictEqual } from 'node:util';
import {
  type AuthorisedOrigin,
  applyChanges,
  assertVersion,
  changedFields,
  eventOrigin,
  type IfMatch,
  reviseRecord,
} from '../audit/index.ts';
import { parseInput } from '../input/index.ts';
import { type Agent, type ResourceScopes, scopesAt } from './agent.ts';
import { agentChanges } from './agent-input.ts';
import { type AgentDeps, assertNotRetired, assertNotStronger, checkAgent, getAgent } from './check-agent.ts';
import { describeScopes } from './create-agent.ts';

/**
 * Changes what may be changed of an agent; never its standing or its credential. Where that leaves less than before, the epoch
 * rises in the same write and tokens already issued are dead; where it leaves more, they live on.
 *
 * @param ifMatch the version that the caller has read
 * @param changes an `AgentChanges`, from wherever it comes
 * @throws {Refused<InputRefusal | AgentRefusal | RevisionRefusal>}
 */
export async function updateAgent(
  deps: AgentDeps,
  id: string,
  ifMatch: IfMatch,
  changes: unknown,
  origin: AuthorisedOrigin,
): Promise<Agent> {
  const parsed = parseInput(agentChanges, changes);
  return reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    async current => {
      assertVersion(current, ifMatch);
      assertNotRetired(current);
      await assertNotStronger(deps, current, origin);
      const changed = await checkAgent(deps, current, applyChanges(current, parsed), origin);
      if (isDeepStrictEqual(changed, current)) return undefined;
      const epoch = current.epoch + (narrowsAgent(current, changed) ? 1 : 0);
      return {
        record: { ...changed, epoch },
        events: [
          {
            type: 'agent.updated',
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            detail: {
              fields: changedFields(current, changed),
              owner: changed.ownerId,
              envelope: describeScopes(changed.envelope),
              baseline: describeScopes(changed.baseline),
              expiresAt: changed.expiresAt ?? null,
              cutsOff: epoch > current.epoch,
              epoch,
            },
          },
        ],
      };
    },
    origin.authority,
    origin.now,
  );
}

/**
 * Whether a token issued before a change could be more than one issued after it, or answer to someone else. Pure.
 *
 * True when a scope or a resource server leaves the envelope or the baseline, the cap on lifetimes gets shorter, the end comes
 * earlier, the owner changes, its tokens have to be bound to a key from now on, or a redirect URI or a way to be admitted is gone.
 */
export function narrowsAgent(before: Agent, after: Agent): boolean {
  return (
    leaves(before.envelope, after.envelope) ||
    leaves(before.baseline, after.baseline) ||
    isEarlier(after.accessTokenTtlSeconds, before.accessTokenTtlSeconds) ||
    isEarlier(after.expiresAt, before.expiresAt) ||
    before.ownerId !== after.ownerId ||
    (before.dpop !== 'required' && after.dpop === 'required') ||
    isGone(before.application?.redirectUris, after.application?.redirectUris) ||
    isGone(before.application?.metadataHosts, after.application?.metadataHosts) ||
    (before.application?.selfRegistration === 'open' && after.application?.selfRegistration !== 'open')
  );
}

function isGone(before: readonly string[] = [], after: readonly string[] = []): boolean {
  return before.some(one => !after.includes(one));
}

function leaves(before: readonly ResourceScopes[], after: readonly ResourceScopes[]): boolean {
  return before.some(({ resource, scopes }) => {
    const left = scopesAt(after, resource);
    return scopes.some(scope => !left.includes(scope));
  });
}

/** Absent is without limit. */
function isEarlier(a: number | undefined, b: number | undefined): boolean {
  return (a ?? Number.POSITIVE_INFINITY) < (b ?? Number.POSITIVE_INFINITY);
}
