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
  DELEGATION_STATUSES,
  type Delegation,
  type DelegationParties,
  type DelegationStatus,
  delegatedScopes,
  delegationHandle,
  delegationStatus,
  mayActUnder,
  standingScopes,
} from './delegation.ts';
export type { DelegationChange, DelegationStore, DelegationTriple } from './delegation-store.ts';
