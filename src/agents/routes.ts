import type { z } from 'zod';
import type { Immutable } from '../admin-call.ts';
import type { AdminShell } from '../admin-shell.ts';
import { viewCredential, viewSecrets } from '../clients/index.ts';
import { mapPage } from '../paging.ts';
import { type Agent, agentStatus } from './agent.ts';
import { agentCalls, type shownAgent } from './api.ts';
import { type AgentDeps, getAgent } from './check-agent.ts';
import { createAgent } from './create-agent.ts';
import { issueAgentSecret } from './issue-agent-secret.ts';
import { killAgent, restoreAgent, retireAgent, revokeAgentTokens } from './kill-agent.ts';
import { listAgents } from './list-agents.ts';
import { revokeAgentSecret } from './revoke-agent-secret.ts';
import { updateAgent } from './update-agent.ts';

/** What is shown of an agent. */
export type AgentView = Immutable<z.output<typeof shownAgent>>;

/** Binds the calls about agents. */
export function agentRoutes(deps: AgentDeps, shell: AdminShell): void {
  shell.route(agentCalls.createAgent, async ({ body, origin, keeping }) => {
    const agents = keeping(deps.agents, ([made]: readonly Agent[]) => {
      const agent = made as Agent;
      return { ...answerAgain(agent, origin.now), location: `/agents/${agent.id}` };
    });
    const { agent, secret } = await createAgent({ ...deps, agents }, body, origin);
    return { ...answer(agent, origin.now, secret), location: `/agents/${agent.id}` };
  });
  shell.route(agentCalls.listAgents, async ({ query, origin }) => ({
    body: mapPage(await listAgents(deps.agents, query, origin.now), agent => viewAgent(agent, origin.now)),
  }));
  shell.route(agentCalls.getAgent, async ({ params, origin }) => {
    const agent = await getAgent(deps.agents, params.id);
    const lastUse = await deps.agents.findLastUse(params.id);
    return {
      body: {
        ...viewAgent(agent, origin.now),
        ...(lastUse !== undefined && { lastUsedAt: new Date(lastUse).toISOString() }),
      },
      version: agent.version,
    };
  });
  shell.route(agentCalls.updateAgent, async ({ params, ifVersion, body, origin }) =>
    answer(await updateAgent(deps, params.id, ifVersion, body, origin), origin.now),
  );
  shell.route(agentCalls.issueAgentSecret, async ({ params, origin, keeping }) => {
    const agents = keeping(deps.agents, ([changed]: readonly Agent[]) =>
      answerAgain(changed as Agent, origin.now),
    );
    const { agent, secret } = await issueAgentSecret({ ...deps, agents }, params.id, origin);
    return answer(agent, origin.now, secret);
  });
  shell.route(agentCalls.listAgentSecrets, async ({ params }) => ({
    body: viewSecrets((await getAgent(deps.agents, params.id)).credential),
  }));
  shell.route(agentCalls.revokeAgentSecret, async ({ params, origin }) =>
    answer(await revokeAgentSecret(deps, params.id, params.secret, origin), origin.now),
  );
  shell.route(agentCalls.revokeAgentTokens, async ({ params, origin }) =>
    answer(await revokeAgentTokens(deps, params.id, origin), origin.now),
  );
  shell.route(agentCalls.killAgent, async ({ params, origin }) =>
    answer(await killAgent(deps, params.id, origin), origin.now),
  );
  shell.route(agentCalls.restoreAgent, async ({ params, origin }) =>
    answer(await restoreAgent(deps, params.id, origin), origin.now),
  );
  shell.route(agentCalls.retireAgent, async ({ params, origin }) =>
    answer(await retireAgent(deps, params.id, origin), origin.now),
  );
}

/** @param secret shown this once */
function answer(agent: Agent, now: number, secret?: string) {
  return {
    body: { ...viewAgent(agent, now), ...(secret !== undefined && { secret }) },
    version: agent.version,
  };
}

/** The answer to a request that has been answered before. */
function answerAgain(agent: Agent, now: number) {
  const { body, version } = answer(agent, now);
  const hasSecret = agent.credential.method === 'client_secret';
  return { body: { ...body, ...(hasSecret && { secretShownBefore: true as const }) }, version };
}

function viewAgent(agent: Agent, now: number): AgentView {
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
    ...(agent.dpop !== undefined && { dpop: agent.dpop }),
    ...(agent.application && { application: agent.application }),
    ...(agent.applicationId !== undefined && { applicationId: agent.applicationId }),
    ...(agent.clientId !== undefined && { clientId: agent.clientId }),
    credential: viewCredential(agent.credential),
    version: agent.version,
    createdAt: new Date(agent.createdAt).toISOString(),
    updatedAt: new Date(agent.updatedAt).toISOString(),
  };
}
