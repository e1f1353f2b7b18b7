import Router from '@koa/router';
import type { AdminShell } from '../admin-shell.ts';
import { newestQuery } from '../paging.ts';
import type { AuditEvent } from './audit-event.ts';
import type { AuditStore } from './audit-store.ts';
import type { AuditRow } from './chain.ts';

/** What is shown of a row: where it is in its lane, its hash, and the event. */
export interface AuditRowView extends Omit<AuditRow, 'body'> {
  readonly event: AuditEvent;
}

/** The trail in the admin API: its newest rows, newest first. */
export function auditRoutes(
  deps: { readonly audit: Pick<AuditStore, 'readNewest'> },
  shell: AdminShell,
  prefix: string,
): Router {
  const router = new Router({ sensitive: true, strict: true, prefix });
  router.get(
    '/audit',
    shell.endpoint(
      'audit',
      async ({ query }) => ({ body: { items: (await deps.audit.readNewest(query.limit)).map(viewRow) } }),
      newestQuery,
    ),
  );
  return router;
}

function viewRow(row: AuditRow): AuditRowView {
  const { event } = JSON.parse(row.body) as { readonly event: AuditEvent };
  return { lane: row.lane, seq: row.seq, hash: row.hash, event };
}
