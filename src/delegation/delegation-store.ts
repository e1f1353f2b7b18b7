import type { CommitPort, RecordChange } from '../audit/index.ts';
import type { Page, PageRequest } from '../input/index.ts';
import type { Delegation } from './delegation.ts';

/**
 * Of inserts and replacements that would leave two active delegations of one person, agent and resource server, one alone is
 * committed, in whichever processes they are made: the others meet the conflict `already-exists`, or `version-changed` where they
 * replace. A replacement announces the record's epoch, so that tokens under an older one are dead in every process.
 */
export type DelegationChange = RecordChange<'delegation', Delegation>;

export interface DelegationStore extends CommitPort<DelegationChange> {
  findDelegation(id: string): Promise<Delegation | undefined>;
  /** The one that is recorded as active, whether or not its time has passed. */
  findActiveDelegation(triple: DelegationTriple): Promise<Delegation | undefined>;
  /** By `DELEGATION_FACETS`, in order of age. */
  listDelegations(page: PageRequest): Promise<Page<Delegation>>;
}

/** Of which there is one active delegation at most. */
export type DelegationTriple = Pick<Delegation, 'personId' | 'agentId' | 'resourceId'>;
