import {
  type AuthorisedOrigin,
  type Authority,
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { type KillInput, killDetail, killInput, parseInput } from '../input/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';

/**
 * Disables a resource server: one write closes the status and raises the epoch, so that every token for it is dead and its
 * credential proves nothing. Killing a disabled one changes nothing.
 *
 * @throws {Refused<ResourceRefusal>} `resource-unknown`, `record-protected`
 */
export function killResource(
  deps: ResourceDeps,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
  input: KillInput = {},
): Promise<Resource> {
  const why = killDetail(parseInput(killInput, input));
  return setStatus(deps, id, 'disabled', TAKES_AWAY, origin, ifMatch, why);
}

/**
 * Enables a disabled resource server again. The epoch stays raised: what had died stays dead.
 *
 * @throws {Refused<ResourceRefusal>} `resource-unknown`, `record-protected`
 */
export function restoreResource(
  deps: ResourceDeps,
  id: string,
  origin: AuthorisedOrigin,
  ifMatch?: IfMatch,
): Promise<Resource> {
  return setStatus(deps, id, 'active', origin.authority, origin, ifMatch);
}

async function setStatus(
  deps: ResourceDeps,
  id: string,
  status: Resource['status'],
  authority: Authority,
  origin: Origin,
  ifMatch: IfMatch | undefined,
  why: { readonly reason?: string } = {},
): Promise<Resource> {
  assertNotProtected(id);
  const isKill = status === 'disabled';
  return reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      assertVersion(current, ifMatch);
      if (current.status === status) return undefined;
      const epoch = current.epoch + (isKill ? 1 : 0);
      return {
        record: { ...current, status, epoch },
        events: [
          {
            type: isKill ? 'resource.killed' : 'resource.restored',
            outcome: 'done',
            ...eventOrigin(origin),
            resource: current.identifier,
            target: id,
            detail: { epoch, ...why },
          },
        ],
      };
    },
    authority,
    origin.now,
  );
}
