import type { AgentStore } from '../agents/index.ts';
import type { Freshness, RefusalCounter } from '../audit/index.ts';
import type { DelegationStore } from '../delegation/index.ts';
import type { Epochs } from '../liveness.ts';
import type { CredentialStore, PersonStore } from '../people/index.ts';
import type { ResourceStore } from '../resources/index.ts';
import type { ElevationStore } from './elevation-store.ts';

/** What every use case about elevations needs. One store has all of it. */
export interface ElevationDeps {
  readonly elevations: ElevationStore;
  readonly agents: Pick<AgentStore, 'findAgent'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly credentials: Pick<CredentialStore, 'findCredential'>;
  readonly resources: Pick<ResourceStore, 'findResource' | 'findResourceByIdentifier'>;
  readonly delegations: Pick<DelegationStore, 'findDelegation'>;
  readonly epochs: Epochs;
  readonly freshness: Freshness;
  readonly refusals: Pick<RefusalCounter, 'note' | 'take'>;
}
