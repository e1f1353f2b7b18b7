import type { CommitPort, RecordChange } from '../audit/index.ts';
import type { Page, PageRequest } from '../input/index.ts';
import type { Resource } from './resource.ts';

export type ResourceChange = RecordChange<'resource', Resource>;

/** Conflicts on insert: `already-exists` when the id is taken, or the identifier (compared by `identifierKey`). */
export interface ResourceStore extends CommitPort<ResourceChange> {
  findResource(id: string): Promise<Resource | undefined>;
  /** By resource identifier, however scheme, host and port are spelt, with or without one trailing slash; the rest counts to the letter. */
  findResourceByIdentifier(identifier: string): Promise<Resource | undefined>;
  /** Ordered by id, which is by age. */
  listResources(page: PageRequest): Promise<Page<Resource>>;
}
