/**
 * Why: what an agent may get and what it may not, what a request would come to, what a token lives by and what it died of. Answers come
 * from the decision itself (`tokens/decide-issue.ts`, `liveness.ts`), asked without doing anything, so that they cannot differ from it.
 *
 * Not here: why a request was refused that was made: `refusals/` finds that by its reference.
 */
export { type AgentExplanation, explainAgent } from './explain-agent.ts';
export { type ExplainDeps, type ExplainedDecision, explainRequest } from './explain-request.ts';
export { explainToken, type TokenExplanation } from './explain-token.ts';
export { explainRoutes } from './routes.ts';
