import { identifierKey, type Resource } from './resource.ts';

/** By what resource servers are found. */
export const RESOURCE_FACETS = {
  status: (status: Resource['status']): string => `status ${status}`,
  identifier: (identifier: string): string => `identifier ${identifierKey(identifier)}`,
};

/** Everything by which a resource server is found. */
export function resourceFacets({ status, identifier }: Resource): readonly string[] {
  return [RESOURCE_FACETS.status(status), RESOURCE_FACETS.identifier(identifier)];
}
