import {
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  reviseRecord,
  TAKES_AWAY,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { DelegationDeps, DelegationRefusal } from './check-delegation.ts';
import type { Delegation } from './delegation.ts';

export type EndDelegationDeps = Pick<DelegationDeps, 'delegations' | 'freshness'>;

/**
 * Ends a delegation for good: one write closes its record and raises its epoch, so that every token under it is dead. It wins over
 * whatever is given at the same time. To end an ended one changes nothing.
 *
 * @throws {Refused<DelegationRefusal>} `delegation-unknown`
 */
export function endDelegation(
  deps: EndDelegationDeps,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<Delegation> {
  return reviseRecord(
    deps.delegations,
    deps.freshness,
    'delegation',
    () => getDelegation(deps.delegations, id),
    current => {
      // Also where there is nothing to do: whoever names a version wants to know that it is another one.
      assertVersion(current, ifMatch);
      if (current.status === 'ended') return undefined;
      const { personId, agentId, resource } = current;
      const epoch = current.epoch + 1;
      return {
        record: { ...current, status: 'ended', epoch },
        events: [
          {
            type: 'delegation.ended',
            outcome: 'done',
            ...eventOrigin(origin),
            target: id,
            resource,
            detail: { person: personId, agent: agentId, epoch },
          },
        ],
      };
    },
    TAKES_AWAY,
    origin.now,
  );
}

/**
 * A person ends what they have given. Somebody else's is as unknown to them as one that is not there (I3).
 *
 * @throws {Refused<DelegationRefusal>} `delegation-unknown`
 */
export async function endOwnDelegation(
  deps: EndDelegationDeps,
  personId: string,
  id: string,
  origin: Origin,
): Promise<Delegation> {
  await deps.freshness.fresh();
  // Whose it is never changes.
  if ((await getDelegation(deps.delegations, id)).personId !== personId) throw unknown(id);
  return endDelegation(deps, id, origin);
}

/** @throws {Refused<DelegationRefusal>} `delegation-unknown` */
export async function getDelegation(
  delegations: Pick<DelegationDeps['delegations'], 'findDelegation'>,
  id: string,
): Promise<Delegation> {
  const delegation = await delegations.findDelegation(id);
  if (!delegation) throw unknown(id);
  return delegation;
}

function unknown(id: string): Refused<DelegationRefusal> {
  return new Refused<DelegationRefusal>('delegation-unknown', { parameter: 'id', sent: id });
}
