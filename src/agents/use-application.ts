import { hash } from 'node:crypto';
import { type AuthorisedOrigin, assertAuthorityHeld, eventOrigin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { type Agent, agentStatus, type ResourceScopes, scopesAt } from './agent.ts';
import type { AgentStore } from './agent-store.ts';
import { describeScopes } from './create-agent.ts';

/**
 * - `application-unknown`: no such application, or none that may act now
 * - `application-stopped`: the person, or an administrator, has stopped it for this person
 */
export type ApplicationRefusal = 'application-unknown' | 'application-stopped';

/** An application as a person meets it. */
export interface UsedApplication {
  /** What the protocol calls it. */
  readonly clientId: string;
  readonly name: string;
  /** What it may is said here: its own record, or that of the template which admits it. */
  readonly record: Agent;
}

/** The agent through which a person uses an application: one each, and the same one whenever they come back. */
export function agentIdOf(
  { record, clientId }: Pick<UsedApplication, 'record' | 'clientId'>,
  personId: string,
): `agt_${string}` {
  const application = clientId === record.id ? record.id : `${record.id} ${clientId}`;
  return `agt_${hash('sha256', `application ${application} of ${personId}`, 'hex').slice(0, 32)}`;
}

/**
 * The agent through which a person uses an application; made when they first let it act for them. The person owns it, and it may what
 * the application may.
 *
 * @throws {Refused<ApplicationRefusal>}
 */
export async function useApplication(
  agents: AgentStore,
  used: UsedApplication,
  person: { readonly id: string; readonly name: string },
  origin: AuthorisedOrigin,
): Promise<Agent> {
  const { record: application, clientId, name } = used;
  if (!application.application || agentStatus(application, origin.latest) !== 'active') {
    throw new Refused<ApplicationRefusal>('application-unknown');
  }
  const id = agentIdOf(used, person.id);
  const known = await agents.findAgent(id);
  if (known) return active(known, origin.latest);
  const agent: Agent = {
    id,
    version: 1,
    epoch: 0,
    createdAt: origin.now,
    updatedAt: origin.now,
    name,
    ...(application.purpose !== undefined && { purpose: application.purpose }),
    ownerId: person.id,
    status: 'active',
    envelope: application.envelope,
    baseline: application.baseline,
    applicationId: application.id,
    ...(clientId !== application.id && { clientId }),
    credential: { method: 'none' },
  };
  const outcome = await agents.commit({
    changes: [{ kind: 'insert', collection: 'agent', record: agent }],
    events: [
      {
        type: 'agent.created',
        outcome: 'done',
        ...eventOrigin(origin),
        target: id,
        detail: {
          name: agent.name,
          owner: person.id,
          application: application.id,
          ...(clientId !== application.id && { clientId }),
          envelope: describeScopes(agent.envelope),
          baseline: describeScopes(agent.baseline),
        },
      },
    ],
    authority: origin.authority,
  });
  if (outcome.committed) return agent;
  assertAuthorityHeld(outcome);
  // Another window of the same person was faster.
  const made = await agents.findAgent(id);
  if (!made) throw new StoreUnavailable('an agent that exists cannot be read');
  return active(made, origin.latest);
}

/**
 * An agent of a person as it may act now: whatever its own record says, never more than its application, and not at all once that is
 * stopped (I2, I9).
 */
export function withinApplication(agent: Agent, application: Agent, now: number): Agent {
  const isActive = agentStatus(application, now) === 'active';
  const ends = [agent.expiresAt, application.expiresAt].filter(end => end !== undefined);
  const caps = [agent.accessTokenTtlSeconds, application.accessTokenTtlSeconds].filter(
    cap => cap !== undefined,
  );
  const { defaultResource = agent.defaultResource, dpop = agent.dpop } = application;
  return {
    ...agent,
    status: isActive ? agent.status : 'suspended',
    envelope: within(application.envelope, agent.envelope),
    baseline: within(application.baseline, agent.baseline),
    ...(ends.length > 0 && { expiresAt: Math.min(...ends) }),
    ...(caps.length > 0 && { accessTokenTtlSeconds: Math.min(...caps) }),
    ...(defaultResource !== undefined && { defaultResource }),
    ...(dpop !== undefined && { dpop }),
  };
}

function within(
  outer: readonly ResourceScopes[],
  inner: readonly ResourceScopes[],
): readonly ResourceScopes[] {
  return inner
    .map(({ resource, scopes }) => {
      const allowed = scopesAt(outer, resource);
      return { resource, scopes: scopes.filter(scope => allowed.includes(scope)) };
    })
    .filter(({ scopes }) => scopes.length > 0);
}

function active(agent: Agent, now: number): Agent {
  if (agentStatus(agent, now) === 'active') return agent;
  throw new Refused<ApplicationRefusal>('application-stopped');
}
