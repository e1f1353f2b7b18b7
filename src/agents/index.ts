/**
 * An AI agent, its owner, its envelope, and the OAuth client it acts through.
 *
 * An agent is registered by an administrator, gets tokens by itself within its baseline, and can never hold more than its
 * envelope. Killing it is one write: its status closes, its epoch rises, and everything that carries the old epoch is dead.
 *
 * Not here: how it proves itself (`clients/`) and what its tokens say (`tokens/`).
 */
export { type Agent, type AgentStatus, agentStatus, type ResourceScopes, scopesAt } from './agent.ts';
export type { AgentChange, AgentStore } from './agent-store.ts';
