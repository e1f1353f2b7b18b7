/**
 * Resource servers: their identifiers, their scopes in words and with their risk, what tokens for them look like, and the
 * credential with which they ask about tokens. Our own admin API is one of them.
 */
export {
  ADMIN_API_RESOURCE_ID,
  ADMIN_API_SCOPES,
  adminApiIdentifier,
  mayBeDelegated,
  ownApiFirst,
} from './admin-api.ts';
export { createResource, getResource, type ResourceDeps, type ResourceRefusal } from './create-resource.ts';
export { issueResourceSecret } from './issue-resource-secret.ts';
export { killResource, restoreResource } from './kill-resource.ts';
export {
  findByIdentifier,
  identifierKey,
  type Resource,
  RISKS,
  type Risk,
  type ScopeDefinition,
  spellingOf,
  standingScopes,
  type TokenFormat,
} from './resource.ts';
export { resourceClient } from './resource-client.ts';
export {
  type ResourceChanges,
  type ResourceInput,
  resourceChanges,
  resourceInput,
} from './resource-input.ts';
export type { ResourceChange, ResourceStore } from './resource-store.ts';
export { revokeResourceSecret } from './revoke-resource-secret.ts';
export { type ResourceView, resourceRoutes } from './routes.ts';
export { narrowsResource, updateResource } from './update-resource.ts';
