import { ADMIN_SCOPES } from '../admin-api/index.ts';
import { ADMIN_API_RESOURCE_ID } from '../resources/admin-api.ts';
import type { Fleet } from './fleet.ts';
import type { KindName } from './record-key.ts';

/** Whoever stands behind the bootstrap client; the same everywhere. */
const BOOTSTRAP_OPERATOR_ID = `usr_${'0'.repeat(32)}`;

interface Grant {
  readonly resource: string;
  readonly scopes: readonly string[];
}

/**
 * Why files have no say over a record: without it nobody could set right what a file has done.
 *
 * @returns what it is, in words; undefined for every other record
 */
export function whyProtected(fleet: Fleet, kind: KindName, id: string): string | undefined {
  if (kind === 'Resource') return id === ADMIN_API_RESOURCE_ID ? 'the admin API itself' : undefined;
  if (kind === 'Person') return id === BOOTSTRAP_OPERATOR_ID ? 'the bootstrap operator' : undefined;
  const agent = fleet.Agent.get(id);
  // The bootstrap client has the id that configuration gave it: it is known by whom it belongs to and what it holds.
  if (agent?.['ownerId'] !== BOOTSTRAP_OPERATOR_ID) return undefined;
  const adminApi = fleet.Resource.get(ADMIN_API_RESOURCE_ID)?.['identifier'];
  const held = ((agent['envelope'] ?? []) as readonly Grant[]).find(grant => grant.resource === adminApi);
  return ADMIN_SCOPES.every(scope => held?.scopes.includes(scope))
    ? 'the bootstrap administrator'
    : undefined;
}

/** The scopes of our own API that records give away: whoever registers them has to hold those (I2). */
export function adminScopesIn(
  fleet: Fleet,
  specs: Iterable<Readonly<Record<string, unknown>>>,
): readonly string[] {
  const adminApi = fleet.Resource.get(ADMIN_API_RESOURCE_ID)?.['identifier'];
  const scopes = new Set<string>();
  for (const { envelope } of specs) {
    for (const grant of (envelope ?? []) as readonly Grant[]) {
      if (grant.resource === adminApi) for (const scope of grant.scopes) scopes.add(scope);
    }
  }
  return [...scopes];
}
