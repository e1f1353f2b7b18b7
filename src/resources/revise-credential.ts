import {
  type AuditEventType,
  type Authority,
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  type TAKES_AWAY,
} from '../audit/index.ts';
import type { ClientCredential } from '../clients/index.ts';
import { assertNotProtected, getResource, type ResourceDeps } from './create-resource.ts';
import type { Resource } from './resource.ts';

/** What becomes of a credential: another one, or one less. */
interface CredentialChange {
  readonly type: Extract<AuditEventType, `resource.${'key' | 'secret'}-${string}`>;
  /** For the trail: what it is called, and never its value. */
  readonly detail?: Readonly<Record<string, string>>;
  readonly change: (current: ClientCredential) => ClientCredential;
}

/**
 * Changes with what a resource server proves itself.
 *
 * @throws {Refused<ResourceRefusal>} and what `change` throws
 */
export function reviseCredential(
  deps: ResourceDeps,
  id: string,
  { type, detail, change }: CredentialChange,
  authority: Authority | typeof TAKES_AWAY,
  origin: Origin,
  ifMatch: IfMatch | undefined,
): Promise<Resource> {
  assertNotProtected(id);
  return reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => {
      const credential = change(current.credential);
      assertVersion(current, ifMatch);
      return {
        record: { ...current, credential },
        events: [
          {
            type,
            outcome: 'done',
            ...eventOrigin(origin),
            resource: current.identifier,
            target: id,
            ...(detail && { detail }),
          },
        ],
      };
    },
    authority,
    origin.now,
  );
}
