import { Refused } from '../errors.ts';
import { type InputRefusal, shown } from '../input/index.ts';
import type { AuditEvent, AuditEventType } from './audit-event.ts';
import type { AuditStore, RowPlace } from './audit-store.ts';
import type { AuditRow } from './chain.ts';
import { EVENT_FACETS, isFiledType } from './event-facets.ts';

/** Which events are asked for. */
export interface EventQuery {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly type?: AuditEventType | undefined;
  readonly actor?: string | undefined;
  readonly target?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly since?: number | undefined;
  readonly before?: number | undefined;
}

export interface FoundRow {
  readonly row: AuditRow;
  readonly event: AuditEvent;
}

export interface EventPage {
  readonly items: readonly FoundRow[];
  /** Where to continue; absent on the last page. A page may be shorter than was asked for, even empty, and have one. */
  readonly next?: string;
}

/** Rows looked at for one page where they are not filed: more would keep others waiting. */
const MAX_LOOKED_AT = 4_000;
const LOOKED_AT_ONCE = 500;

/**
 * Lists the rows of the trail, newest first.
 *
 * Issued and revoked tokens are most of a trail, and are filed under nothing. Where an actor or a target is asked for they are
 * left out; asked for by type, they are looked for row by row, and a page ends when enough have been looked at.
 *
 * @param kills only what stopped a record or let it go on
 * @throws {Refused<InputRefusal>} when the page begins after a row that there is not
 */
export async function listEvents(
  audit: Pick<AuditStore, 'listRows'>,
  query: EventQuery,
  kills = false,
): Promise<EventPage> {
  const { type, actor, target, since, before, limit } = query;
  const after = query.after === undefined ? undefined : readPlace(query.after);
  const range = { ...(since !== undefined && { since }), ...(before !== undefined && { before }) };
  const list = async (from: RowPlace | undefined, most: number, facets: readonly string[]) => {
    const rows = await audit.listRows({ ...range, facets, limit: most, ...(from && { after: from }) });
    if (!rows) refuseAfter(query.after ?? '');
    return rows;
  };

  if (type === undefined || isFiledType(type)) {
    const facets = [
      ...(target === undefined ? [] : [EVENT_FACETS.target(target)]),
      ...(type === undefined ? [] : [EVENT_FACETS.type(type)]),
      ...(actor === undefined ? [] : [EVENT_FACETS.actor(actor)]),
      ...(kills ? [EVENT_FACETS.kill] : []),
    ];
    const rows = await list(after, limit + 1, facets);
    return pageOf(rows.slice(0, limit), rows.length > limit ? rows[limit - 1] : undefined);
  }

  const found: AuditRow[] = [];
  let last: AuditRow | undefined;
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT; lookedAt += LOOKED_AT_ONCE) {
    const rows = await list(last ?? after, LOOKED_AT_ONCE, []);
    for (const row of rows) {
      last = row;
      const event = eventOf(row);
      const isMeant =
        event.type === type &&
        (actor === undefined || event.client === actor || (event.actor ?? []).includes(actor)) &&
        (target === undefined || event.target === target);
      if (isMeant) found.push(row);
      if (found.length === limit) return pageOf(found, row);
    }
    if (rows.length < LOOKED_AT_ONCE) return pageOf(found, undefined);
  }
  return pageOf(found, last);
}

function pageOf(rows: readonly AuditRow[], last: AuditRow | undefined): EventPage {
  return {
    items: rows.map(row => ({ row, event: eventOf(row) })),
    ...(last && { next: `${last.lane}:${last.seq}` }),
  };
}

function eventOf(row: AuditRow): AuditEvent {
  return (JSON.parse(row.body) as { readonly event: AuditEvent }).event;
}

function readPlace(after: string): RowPlace {
  const [lane = '', seq = ''] = after.split(':');
  return { lane, seq: Number(seq) };
}

function refuseAfter(after: string): never {
  throw new Refused<InputRefusal>('input-invalid', {
    parameter: 'after',
    sent: shown(after),
    permitted: ['the `next` of the page before'],
  });
}
