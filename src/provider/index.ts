/**
 * The protocol engine: oidc-provider as the root of the HTTP application. It owns what people walk through, which is the
 * authorization endpoint, pushed authorization requests, interactions, and the code and refresh grants.
 *
 * This folder alone imports oidc-provider. What the engine is configured to do stands in `engine.ts`; what it may be asked, and
 * how its answers leave, in `entry.ts`; what it stores, in `adapter.ts`.
 *
 * Not here: what machines call. Token requests of agents, introspection and revocation are answered before the engine is reached,
 * and so are metadata and keys.
 */
export type { EngineToken, EngineTokenRequest } from './access-token.ts';
export type { ClientLookup, EngineClients } from './client-metadata.ts';
export {
  createEngine,
  ENGINE_GRANT_TYPES,
  type Engine,
  type EngineDeps,
  type GrantableResource,
} from './engine.ts';
export { cookieKeysOf, newEngineKey } from './engine-keys.ts';
export type { EngineChange, EngineStore } from './engine-store.ts';
export { setProvenKey } from './holder.ts';
export type { GivenConsent, Interactions, PendingAuthorization } from './interactions.ts';
