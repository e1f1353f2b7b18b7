import { type Agent, type AgentStore, agentIdOf, scopesAt } from '../agents/index.ts';
import { mayBeDelegated, type ResourceStore } from '../resources/index.ts';
import type { Applications } from './applications.ts';

/** What an application may ask of a resource server through the browser. */
export interface GrantableScopes {
  /** The canonical resource identifier: the audience of the token. */
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly ttlSeconds: number;
}

/**
 * What a person can let an application do at a resource server: what its envelope has there, and nothing of what no token that acts for
 * a person is issued for.
 *
 * @param identifier the resource, as it was asked for
 * @param now milliseconds since the epoch
 */
export async function findGrantable(
  {
    applications,
    resources,
  }: {
    readonly applications: Pick<Applications, 'governing'>;
    readonly resources: Pick<ResourceStore, 'findResourceByIdentifier'>;
  },
  clientId: string,
  identifier: string,
  now: number,
): Promise<GrantableScopes | undefined> {
  const application = await applications.governing(clientId, now);
  const resource = await resources.findResourceByIdentifier(identifier);
  if (!application || resource?.status !== 'active' || !mayBeDelegated(resource)) return undefined;
  const scopes = scopesAt(application.envelope, resource.identifier);
  if (scopes.length === 0) return undefined;
  return { audience: resource.identifier, scopes, ttlSeconds: resource.accessTokenTtlSeconds };
}

/** What says what an application may, and the agent through which a person uses it. */
export interface Parties {
  readonly application: Agent;
  readonly agent: Agent;
}

/** Through whom a person uses an application; undefined where it may not act now, or this person never let it. */
export async function findParties(
  {
    applications,
    agents,
  }: {
    readonly applications: Pick<Applications, 'governing'>;
    readonly agents: Pick<AgentStore, 'findAgent'>;
  },
  clientId: string,
  personId: string,
  now: number,
): Promise<Parties | undefined> {
  const application = await applications.governing(clientId, now);
  const agent =
    application && (await agents.findAgent(agentIdOf({ record: application, clientId }, personId)));
  return agent && { application, agent };
}
