import type { z } from 'zod';
import type { AdminShell, AnswerOf, Immutable } from '../admin-api/index.ts';
import { auditCalls, type shownAuditRow } from './api.ts';
import type { AuditStore } from './audit-store.ts';
import type { KILL_EVENTS } from './event-facets.ts';
import { type FoundRow, listEvents } from './list-events.ts';
import { isWithin } from './trail.ts';

/** What is shown of a row: where it is in its lane, its hash, and the event. */
export type AuditRowView = Immutable<z.output<typeof shownAuditRow>>;

/** Binds the calls about the trail. */
export function auditRoutes(
  deps: { readonly audit: Pick<AuditStore, 'listRows' | 'listLanes' | 'readLane'> },
  shell: AdminShell,
): void {
  shell.route(auditCalls.listAuditEvents, async ({ query }) => {
    const { items, next } = await listEvents(deps.audit, query);
    return { body: { items: items.map(viewRow), ...(next !== undefined && { next }) } };
  });
  shell.route(auditCalls.listKills, async ({ query }) => {
    const { items, next } = await listEvents(deps.audit, query, true);
    return { body: { items: items.map(viewKill), ...(next !== undefined && { next }) } };
  });
  shell.route(auditCalls.listAuditLanes, async () => ({ body: { items: await deps.audit.listLanes() } }));
  shell.route(auditCalls.exportAuditRows, async ({ params, query }) => {
    const { after = Number.MIN_SAFE_INTEGER, limit, since, until } = query;
    const rows = await deps.audit.readLane(params.lane, after + 1, limit + 1);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      body: {
        items: page.filter(row => isWithin(row, { since, until })),
        ...(last && { next: last.seq }),
      },
    };
  });
}

function viewRow({ row, event }: FoundRow): AuditRowView {
  return { lane: row.lane, seq: row.seq, hash: row.hash, event };
}

function viewKill({ event }: FoundRow): AnswerOf<typeof auditCalls.listKills>['items'][number] {
  return {
    what: event.type as (typeof KILL_EVENTS)[number],
    target: event.target ?? '',
    at: new Date(event.at).toISOString(),
    ...(event.client !== undefined && { by: event.client }),
    ...(typeof event.detail?.['reason'] === 'string' && { reason: event.detail['reason'] }),
    requestId: event.requestId,
  };
}
