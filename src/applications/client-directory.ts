import { type AgentStore, agentClient } from '../agents/index.ts';
import type { Freshness } from '../audit/index.ts';
import type { Client, ClientDirectory } from '../clients/index.ts';
import { certainMoment } from '../clock.ts';
import { handle } from '../liveness.ts';
import { newOrigin } from '../origin.ts';
import { type ResourceStore, resourceClient } from '../resources/index.ts';
import type { Applications, Lookup } from './applications.ts';

export interface ClientDirectoryDeps {
  readonly agents: Pick<AgentStore, 'findAgent'>;
  readonly resources: Pick<ResourceStore, 'findResource'>;
  readonly freshness: Freshness;
}

/** Finds the client behind an identifier; an application's document is fetched where the lookup permits it. */
export interface ClientLookups {
  /** @throws {StoreUnavailable} when what others have committed cannot be told */
  findClient(clientId: string, lookup: Lookup): Promise<Client | undefined>;
}

/** Agents and resource servers are clients; the prefix of an identifier tells which. */
export function registeredClients({ agents, resources, freshness }: ClientDirectoryDeps): ClientDirectory {
  return {
    async findClient(clientId, nowMs) {
      // A secret that another process has replaced proves nothing here either, and its successor does (I7).
      await freshness.fresh();
      if (clientId.startsWith('agt_')) {
        const agent = await agents.findAgent(clientId);
        return agent && agentClient(agent, nowMs);
      }
      if (clientId.startsWith('res_')) {
        const resource = await resources.findResource(clientId);
        return resource && resourceClient(resource);
      }
      return undefined;
    },
  };
}

/** What a person may meet: applications, wherever they are described, and what has an identifier of ours besides. */
export function clientLookups(
  deps: ClientDirectoryDeps,
  applications: Pick<Applications, 'find'>,
): ClientLookups {
  const registered = registeredClients(deps);
  return {
    async findClient(clientId, lookup) {
      if (/^(?:agt|res)_/.test(clientId)) return registered.findClient(clientId, lookup.origin.latest);
      await deps.freshness.fresh();
      const application = await applications.find(clientId, lookup);
      return (
        application && {
          clientId,
          kind: 'agent',
          principalId: application.record.id,
          handle: handle(application.record.id, application.record.epoch),
          credential: application.credential,
          enabled: true,
          redirectUris: application.redirectUris,
          refreshTokens: application.record.application?.refreshTokens,
        }
      );
    },
  };
}

/** The same, for those who ask by identifier alone: machines, for which nothing is fetched. */
export function everyClient(
  deps: ClientDirectoryDeps,
  applications: Pick<Applications, 'find'>,
): ClientDirectory {
  const clients = clientLookups(deps, applications);
  return {
    findClient: (clientId, now) =>
      clients.findClient(clientId, { origin: newOrigin(certainMoment(now)), mayFetch: false }),
  };
}
