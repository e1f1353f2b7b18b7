/**
 * Who may act for whom, and how far: a person's standing permission that an agent acts for them at one resource server.
 *
 * A person gives it, for scopes that are not of high risk, until an end; giving again replaces it, and ending it is final. It never
 * widens what an agent may do: its tokens hold what the delegation, the agent's envelope and the catalogue of the resource server
 * all allow, and die with its handle.
 *
 * Not here: what an application is let do in a browser flow (`tokens/grants-of-people.ts`; the decision 0008 says how the two relate).
 */
export {
  checkDelegation,
  type DelegationDeps,
  type DelegationRefusal,
  type DelegationTerms,
  MAX_DELEGATION_DAYS,
} from './check-delegation.ts';
export type { Delegation, DelegationStatus } from './delegation.ts';
export { type DelegationInput, delegationInput } from './delegation-input.ts';
export type { DelegationChange, DelegationStore, DelegationTriple } from './delegation-store.ts';
export { endDelegation, endOwnDelegation, getDelegation } from './end-delegation.ts';
export { type GivenDelegation, giveDelegation, narrowsDelegation } from './give-delegation.ts';
export {
  type DelegationParties,
  delegatedScopes,
  delegationHandle,
  delegationStatus,
} from './judge-delegation.ts';
export {
  type DelegationFilter,
  eachDelegation,
  type JudgedDelegation,
  judgeDelegation,
  listDelegations,
} from './list-delegations.ts';
export { delegationRoutes } from './routes.ts';
export { type ExchangeRefusal, standOn, tokenExchange } from './token-exchange.ts';
