/**
 * An AI agent, its owner, its envelope, and the OAuth client it acts through.
 *
 * An agent is registered by an administrator, gets tokens by itself within its baseline, and can never hold more than its
 * envelope. Killing it is one write: its status closes, its epoch rises, and everything that carries the old epoch is dead.
 *
 * Not here: how it proves itself (`clients/`) and what its tokens say (`tokens/`).
 */
export { type Agent, type AgentStatus, agentStatus, type ResourceScopes, scopesAt } from './agent.ts';
export { agentClient } from './agent-client.ts';
export { type AgentChanges, type AgentInput, agentChanges, agentInput } from './agent-input.ts';
export type { AgentChange, AgentStore } from './agent-store.ts';
export {
  type AdminApiReport,
  type BootstrapAdmin,
  type BootstrapAdminDeps,
  ensureAdminApi,
  retireBootstrapClients,
} from './bootstrap-admin.ts';
export {
  type AgentDeps,
  type AgentRefusal,
  eachAgentWithEnd,
  getAgent,
  strongerAgentsOf,
} from './check-agent.ts';
export { createAgent } from './create-agent.ts';
export { issueAgentSecret } from './issue-agent-secret.ts';
export { killAgent, restoreAgent, retireAgent, revokeAgentTokens } from './kill-agent.ts';
export { type AgentListQuery, listAgents } from './list-agents.ts';
export {
  newRecoveredAdministrator,
  type RecoveredAdministrator,
  recoverAdministrator,
} from './recover-administrator.ts';
export { MAX_REDIRECT_URIS, redirectUriInput } from './redirect-uri.ts';
export { revokeAgentSecret } from './revoke-agent-secret.ts';
export { type AgentView, agentRoutes } from './routes.ts';
export { narrowsAgent, updateAgent } from './update-agent.ts';
export {
  type ApplicationRefusal,
  agentIdOf,
  type UsedApplication,
  useApplication,
  withinApplication,
} from './use-application.ts';
