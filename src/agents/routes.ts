import Router from '@koa/router';
import type { AdminAnswer, AdminShell } from '../admin-shell.ts';
import type { ManagedRecord } from '../audit/index.ts';
import { type CredentialView, viewCredential } from '../clients/index.ts';
import { mapPage, pageQuery, pageRequest } from '../paging.ts';
import { type Agent, type AgentStatus, agentStatus } from './agent.ts';
import { type AgentDeps, getAgent } from './check-agent.ts';
import { createAgent } from './create-agent.ts';
import { issueAgentSecret } from './issue-agent-secret.ts';
import { killAgent, restoreAgent, retireAgent } from './kill-agent.ts';
import { updateAgent } from './update-agent.ts';

/** What is shown of an agent. Instants are RFC 3339. */
export interface AgentView
  extends Omit<
    Agent,
    Exclude<keyof ManagedRecord, 'id' | 'version'> | 'credential' | 'status' | 'expiresAt'
  > {
  readonly status: AgentStatus;
  readonly credential: CredentialView;
  readonly expiresAt?: string;
  /** To the minute, and only where one agent is read. */
  readonly lastUsedAt?: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Agents in the admin API. */
export function agentRoutes(deps: AgentDeps, shell: AdminShell, prefix: string): Router {
  const router = new Router({ sensitive: true, strict: true, prefix });

  const list = shell.endpoint(
    'read',
    async ({ query, origin }) => ({
      body: mapPage(await deps.agents.listAgents(pageRequest(query)), agent => viewAgent(agent, origin.now)),
    }),
    pageQuery,
  );
  const create = shell.endpoint('agents', async ({ origin, readJson }) => {
    const { agent, secret } = await createAgent(deps, await readJson(), origin);
    return { ...answer(agent, origin.now, secret), status: 201, location: `agents/${agent.id}` };
  });
  const read = shell.endpoint('read', async ({ id, origin }) => {
    const agent = await getAgent(deps.agents, id);
    const lastUse = await deps.agents.findLastUse(id);
    return { body: viewAgent(agent, origin.now, lastUse), version: agent.version };
  });
  const update = shell.endpoint('agents', async ({ id, ifVersion, origin, readJson }) =>
    answer(await updateAgent(deps, id, ifVersion(), await readJson(), origin), origin.now),
  );
  const kill = shell.endpoint('kill', async ({ id, origin }) =>
    answer(await killAgent(deps, id, origin), origin.now),
  );
  const retire = shell.endpoint('kill', async ({ id, origin }) =>
    answer(await retireAgent(deps, id, origin), origin.now),
  );
  const restore = shell.endpoint('agents', async ({ id, origin }) =>
    answer(await restoreAgent(deps, id, origin), origin.now),
  );
  const issueSecret = shell.endpoint('agents', async ({ id, origin }) => {
    const { agent, secret } = await issueAgentSecret(deps, id, origin);
    return { ...answer(agent, origin.now, secret), status: 201 };
  });

  router.get('/agents', list);
  router.post('/agents', create);
  router.get('/agents/:id', read);
  router.patch('/agents/:id', update);
  router.post('/agents/:id/kill', kill);
  router.post('/agents/:id/retire', retire);
  router.post('/agents/:id/restore', restore);
  router.post('/agents/:id/secrets', issueSecret);
  return router;
}

/** @param secret shown this once */
function answer(agent: Agent, now: number, secret?: string): AdminAnswer {
  return {
    body: { ...viewAgent(agent, now), ...(secret !== undefined && { secret }) },
    version: agent.version,
  };
}

function viewAgent(agent: Agent, now: number, lastUse?: number): AgentView {
  return {
    id: agent.id,
    name: agent.name,
    ...(agent.purpose !== undefined && { purpose: agent.purpose }),
    ownerId: agent.ownerId,
    status: agentStatus(agent, now),
    ...(agent.expiresAt !== undefined && { expiresAt: new Date(agent.expiresAt).toISOString() }),
    envelope: agent.envelope,
    baseline: agent.baseline,
    ...(agent.defaultResource !== undefined && { defaultResource: agent.defaultResource }),
    ...(agent.accessTokenTtlSeconds !== undefined && { accessTokenTtlSeconds: agent.accessTokenTtlSeconds }),
    credential: viewCredential(agent.credential),
    ...(lastUse !== undefined && { lastUsedAt: new Date(lastUse).toISOString() }),
    version: agent.version,
    createdAt: new Date(agent.createdAt).toISOString(),
    updatedAt: new Date(agent.updatedAt).toISOString(),
  };
}
