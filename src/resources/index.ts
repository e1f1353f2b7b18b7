/**
 * Resource servers: their identifiers, their scopes in words and with their risk, what tokens for them look like, and the
 * credential with which they ask about tokens.
 */
export {
  type Resource,
  RISKS,
  type Risk,
  type ScopeDefinition,
  type TokenFormat,
  withoutTrailingSlash,
} from './resource.ts';
export type { ResourceChange, ResourceStore } from './resource-store.ts';
