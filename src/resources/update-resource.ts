import { isDeepStrictEqual } from 'node:util';
import {
  type AuthorisedOrigin,
  applyChanges,
  assertVersion,
  changedFields,
  eventOrigin,
  type IfMatch,
  reviseRecord,
} from '../audit/index.ts';
import { parseInput } from '../input/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';
import { resourceChanges } from './resource-input.ts';

/**
 * Changes what may be changed of a resource server. Where that leaves less than before, the epoch rises in the same write and
 * tokens already issued are dead; where it leaves more, they live on.
 *
 * @param ifMatch the version that the caller has read
 * @param changes a `ResourceChanges`, from wherever it comes
 * @throws {Refused<InputRefusal | ResourceRefusal | RevisionRefusal>}
 */
export async function updateResource(
  deps: ResourceDeps,
  id: string,
  ifMatch: IfMatch,
  changes: unknown,
  origin: AuthorisedOrigin,
): Promise<Resource> {
  assertNotProtected(id);
  const parsed = parseInput(resourceChanges, changes);
  return reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      assertVersion(current, ifMatch);
      const changed = applyChanges(current, parsed);
      if (isDeepStrictEqual(changed, current)) return undefined;
      const epoch = current.epoch + (narrowsResource(current, changed) ? 1 : 0);
      return {
        record: { ...changed, epoch },
        events: [
          {
            type: 'resource.updated',
            outcome: 'done',
            ...eventOrigin(origin),
            resource: current.identifier,
            target: id,
            detail: { fields: changedFields(current, changed), cutsOff: epoch > current.epoch, epoch },
          },
        ],
      };
    },
    origin.authority,
    origin.now,
  );
}

/** Whether a token issued before a change could be more than one issued after it, or of another kind. Pure. */
export function narrowsResource(before: Resource, after: Resource): boolean {
  const left = new Set(after.scopes.map(scope => scope.name));
  return (
    before.scopes.some(scope => !left.has(scope.name)) ||
    !isDeepStrictEqual(before.tokenFormat, after.tokenFormat) ||
    after.accessTokenTtlSeconds < before.accessTokenTtlSeconds
  );
}
