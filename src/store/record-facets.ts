// From where they stand: the thread that writes loads nothing else of the capabilities.
import type { Agent } from '../agents/agent.ts';
import { agentFacets } from '../agents/agent-facets.ts';
import type { ManagedRecord } from '../audit/index.ts';
import type { Delegation } from '../delegation/delegation.ts';
import { delegationFacets } from '../delegation/delegation-facets.ts';
import type { Elevation } from '../elevation/elevation.ts';
import { elevationFacets } from '../elevation/elevation-facets.ts';
import type { Person } from '../people/person.ts';
import { personFacets } from '../people/person-facets.ts';
import type { Resource } from '../resources/resource.ts';
import { resourceFacets } from '../resources/resource-facets.ts';
import { nameKeyOf } from '../text/name-key.ts';

/** By what a record is found besides its identifier. Derived from the record, and stored beside it for both stores to search. */
export interface FiledUnder {
  readonly facets: readonly string[];
  readonly nameKey: string;
}

/** What every record of a collection has, so that all of them can be listed by name, where they have names, as some of them are. */
export const ANY_RECORD = 'any';

const FACETS = {
  agent: record => agentFacets(record as Agent),
  delegation: record => delegationFacets(record as Delegation),
  elevation: record => elevationFacets(record as Elevation),
  person: record => personFacets(record as Person),
  resource: record => resourceFacets(record as Resource),
} as const satisfies Record<string, (record: ManagedRecord) => readonly string[]>;

export type FiledCollection = keyof typeof FACETS;

export function isFiled(collection: string): collection is FiledCollection {
  return Object.hasOwn(FACETS, collection);
}

/** Under what a record is filed. */
export function fileRecord(collection: FiledCollection, record: ManagedRecord): FiledUnder {
  const { name = '' } = record as Partial<Agent | Person | Resource>;
  return { facets: [ANY_RECORD, ...FACETS[collection](record)], nameKey: nameKeyOf(name) };
}
