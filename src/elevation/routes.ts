import type { z } from 'zod';
import type { AdminShell, Immutable } from '../admin-api/index.ts';
import { mapPage } from '../input/index.ts';
import { elevationCalls, type shownElevationRecord } from './api.ts';
import { type ChangeElevationDeps, getElevation } from './change-elevation.ts';
import { revokeElevation } from './deny.ts';
import type { Elevation } from './elevation.ts';
import { type JudgedElevation, judgeElevation, listElevations } from './list-elevations.ts';

/** What an administrator is shown of an elevation. */
export type ElevationView = Immutable<z.output<typeof shownElevationRecord>>;

/** Binds the calls about elevations. */
export function elevationRoutes(deps: ChangeElevationDeps, shell: AdminShell): void {
  const answer = (elevation: Elevation, latest: number) => ({
    body: viewElevation(judgeElevation(deps, elevation, { latest })),
    version: elevation.version,
  });
  shell.route(elevationCalls.listElevations, async ({ query, origin }) => ({
    body: mapPage(await listElevations(deps, query, origin), viewElevation),
  }));
  shell.route(elevationCalls.getElevation, async ({ params, origin }) =>
    answer(await getElevation(deps.elevations, params.id), origin.latest),
  );
  shell.route(elevationCalls.revokeElevation, async ({ params, ifMatch, origin }) =>
    answer(await revokeElevation(deps, params.id, origin, ifMatch), origin.latest),
  );
}

function viewElevation({ elevation, status }: JudgedElevation): ElevationView {
  const { id, agentId, ownerId, subject, approverId, delegationId, resource, scopes, beyond } = elevation;
  const { seconds, reason, bindingCode, approval, denial, cancelReason, redeemed, version } = elevation;
  return {
    id,
    agentId,
    ownerId,
    subject,
    approverId,
    ...(delegationId && { delegationId }),
    resource,
    scopes,
    beyond,
    seconds,
    reason,
    bindingCode,
    status,
    decideBy: instant(elevation.decideBy),
    ...(approval && {
      approval: { ...approval, at: instant(approval.at), expiresAt: instant(approval.expiresAt) },
    }),
    ...(denial && { denial: { ...denial, at: instant(denial.at) } }),
    ...(cancelReason && { cancelReason }),
    ...(redeemed && { redeemed: { ...redeemed, at: instant(redeemed.at) } }),
    version,
    createdAt: instant(elevation.createdAt),
    updatedAt: instant(elevation.updatedAt),
  };
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
