import type { z } from 'zod';
import type { AdminShell, Immutable } from '../admin-api/index.ts';
import { newClientSecret, newKeyInput, viewCredential, viewKeys, viewSecrets } from '../clients/index.ts';
import { mapPage, parseInput } from '../input/index.ts';
import { addAgentKey } from './add-agent-key.ts';
import { type Agent, agentStatus } from './agent.ts';
import { agentCalls, type shownAgent } from './api.ts';
import { type AgentDeps, getAgent } from './check-agent.ts';
import { createAgent } from './create-agent.ts';
import { issueAgentSecret } from './issue-agent-secret.ts';
import { killAgent, restoreAgent, retireAgent, revokeAgentTokens } from './kill-agent.ts';
import { listAgents } from './list-agents.ts';
import { revokeAgentKey } from './revoke-agent-key.ts';
import { revokeAgentSecret } from './revoke-agent-secret.ts';
import { updateAgent } from './update-agent.ts';

/** What is shown of an agent. */
export type AgentView = Immutable<z.output<typeof shownAgent>>;

/** Binds the calls about agents. */
export function agentRoutes(deps: AgentDeps, shell: AdminShell): void {
  shell.route(agentCalls.createAgent, async ({ body, origin, keeping }) => {
    const secret = newClientSecret();
    const made = (agent: Agent) => ({
      ...answerWithSecret(agent, origin.latest, secret),
      location: `/agents/${agent.id}`,
    });
    const agents = keeping(deps.agents, ([agent]: readonly Agent[]) => made(agent as Agent));
    return made((await createAgent({ ...deps, agents }, body, origin, secret)).agent);
  });
  shell.route(agentCalls.listAgents, async ({ query, origin }) => ({
    body: mapPage(await listAgents(deps.agents, query, origin.latest), agent =>
      viewAgent(agent, origin.latest),
    ),
  }));
  shell.route(agentCalls.getAgent, async ({ params, origin }) => {
    const agent = await getAgent(deps.agents, params.id);
    const lastUse = await deps.agents.findLastUse(params.id);
    return {
      body: {
        ...viewAgent(agent, origin.latest),
        ...(lastUse !== undefined && { lastUsedAt: new Date(lastUse).toISOString() }),
      },
      version: agent.version,
    };
  });
  shell.route(agentCalls.updateAgent, async ({ params, ifMatch, body, origin }) =>
    answer(await updateAgent(deps, params.id, ifMatch, body, origin), origin.latest),
  );
  shell.route(agentCalls.issueAgentSecret, async ({ params, ifMatch, origin, keeping }) => {
    const secret = newClientSecret();
    const made = (agent: Agent) => answerWithSecret(agent, origin.latest, secret);
    const agents = keeping(deps.agents, ([agent]: readonly Agent[]) => made(agent as Agent));
    const issued = await issueAgentSecret({ ...deps, agents }, params.id, origin, { ifMatch, secret });
    return made(issued.agent);
  });
  shell.route(agentCalls.listAgentSecrets, async ({ params }) => ({
    body: viewSecrets((await getAgent(deps.agents, params.id)).credential),
  }));
  shell.route(agentCalls.revokeAgentSecret, async ({ params, ifMatch, origin }) =>
    answer(await revokeAgentSecret(deps, params.id, params.secret, origin, ifMatch), origin.latest),
  );
  shell.route(agentCalls.addAgentKey, async ({ params, ifMatch, body, origin, keeping }) => {
    const made = (agent: Agent) => answer(agent, origin.latest);
    const agents = keeping(deps.agents, ([agent]: readonly Agent[]) => made(agent as Agent));
    const { key } = parseInput(newKeyInput, body);
    return made(await addAgentKey({ ...deps, agents }, params.id, key, origin, ifMatch));
  });
  shell.route(agentCalls.listAgentKeys, async ({ params }) => ({
    body: viewKeys((await getAgent(deps.agents, params.id)).credential),
  }));
  shell.route(agentCalls.revokeAgentKey, async ({ params, ifMatch, origin }) =>
    answer(await revokeAgentKey(deps, params.id, params.key, origin, ifMatch), origin.latest),
  );
  shell.route(agentCalls.revokeAgentTokens, async ({ params, ifMatch, origin }) =>
    answer(await revokeAgentTokens(deps, params.id, origin, ifMatch), origin.latest),
  );
  shell.route(agentCalls.killAgent, async ({ params, body, ifMatch, origin }) =>
    answer(await killAgent(deps, params.id, origin, ifMatch, body), origin.latest),
  );
  shell.route(agentCalls.restoreAgent, async ({ params, ifMatch, origin }) =>
    answer(await restoreAgent(deps, params.id, origin, ifMatch), origin.latest),
  );
  shell.route(agentCalls.retireAgent, async ({ params, ifMatch, origin }) =>
    answer(await retireAgent(deps, params.id, origin, ifMatch), origin.latest),
  );
}

function answer(agent: Agent, now: number) {
  return { body: viewAgent(agent, now), version: agent.version };
}

/** @param secret shown this once, where it has one */
function answerWithSecret(agent: Agent, now: number, secret: string) {
  const { body, version } = answer(agent, now);
  return { body: { ...body, ...(agent.credential.method === 'client_secret' && { secret }) }, version };
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
