import type { z } from 'zod';
import type { AdminShell, Immutable } from '../admin-api/index.ts';
import { mapPage } from '../input/index.ts';
import { delegationCalls, type shownDelegation } from './api.ts';
import type { DelegationDeps } from './check-delegation.ts';
import type { Delegation } from './delegation.ts';
import { endDelegation, getDelegation } from './end-delegation.ts';
import { type JudgedDelegation, judgeDelegation, listDelegations } from './list-delegations.ts';

/** What is shown of a delegation. */
export type DelegationView = Immutable<z.output<typeof shownDelegation>>;

/** Binds the calls about delegations. */
export function delegationRoutes(deps: Omit<DelegationDeps, 'refusals'>, shell: AdminShell): void {
  const answer = async (delegation: Delegation, nowMs: number) => ({
    body: viewDelegation(await judgeDelegation(deps, delegation, nowMs)),
    version: delegation.version,
  });
  shell.route(delegationCalls.listDelegations, async ({ query, origin }) => ({
    body: mapPage(await listDelegations(deps, query, origin.latest), viewDelegation),
  }));
  shell.route(delegationCalls.getDelegation, async ({ params, origin }) =>
    answer(await getDelegation(deps.delegations, params.id), origin.latest),
  );
  shell.route(delegationCalls.endDelegation, async ({ params, ifMatch, origin }) =>
    answer(await endDelegation(deps, params.id, origin, ifMatch), origin.latest),
  );
}

function viewDelegation({ delegation, status }: JudgedDelegation): DelegationView {
  const { id, personId, agentId, resource, scopes, mayActNext, version } = delegation;
  return {
    id,
    personId,
    agentId,
    resource,
    scopes,
    expiresAt: new Date(delegation.expiresAt).toISOString(),
    mayActNext,
    status,
    version,
    createdAt: new Date(delegation.createdAt).toISOString(),
    updatedAt: new Date(delegation.updatedAt).toISOString(),
  };
}
