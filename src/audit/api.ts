/** The audit trail in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant, shownPage } from '../admin-api/index.ts';
import { closedObject, instantInput, limitInput } from '../input/index.ts';
import { AUDIT_EVENTS, type AuditEventType } from './audit-event.ts';
import { KILL_EVENTS } from './event-facets.ts';

const EVENT_TYPES = Object.keys(AUDIT_EVENTS) as [AuditEventType, ...AuditEventType[]];
const NEXT = 'the `next` of the page before';
const ID = 'an identifier such as agt_ and 32 hexadecimal digits';
const anyId = z.string().regex(/^[a-z]{2,8}_[\w-]{1,64}$/, { error: ID });

const detail = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]);

export const shownEvent = closedObject({
  type: z.enum(EVENT_TYPES),
  outcome: z.enum(['done', 'refused']),
  reason: z.string().optional().describe('Why it was refused, more exactly than the caller was told.'),
  at: z.int().describe('Milliseconds since the epoch.'),
  requestId: z.string().describe('The request. The `Error-Ref` of its answer leads here.'),
  address: z.string().optional(),
  client: z.string().optional().describe('The OAuth client that asked.'),
  subject: z.string().optional().describe('For whom.'),
  actor: z.array(z.string()).optional().describe('Who acts, newest first.'),
  resource: z.string().optional(),
  target: z.string().optional().describe('The record acted upon, where it is none of the above.'),
  jti: z.string().optional(),
  scope: z.string().optional(),
  count: z.int().optional().describe('How many alike events the row stands for; 1 where absent.'),
  detail: z.record(z.string(), detail).optional(),
}).meta({ id: 'AuditEvent' });

export const shownAuditRow = closedObject({
  lane: z.string().describe('The chain of one process.'),
  seq: z.int().describe('The number of the row in its lane.'),
  hash: z.string().describe('SHA-256 over the hash of the row before and this one, in hexadecimal.'),
  event: shownEvent,
}).meta({ id: 'AuditRow' });

const LANE = `lane_${'0'.repeat(32)}`;
const laneInput = z.string().regex(/^[a-z]{2,8}_[0-9a-f]{32}$/, { error: 'the identifier of a lane' });
const seqInput = z
  .string()
  .regex(/^\d{1,15}$/, { error: 'the number of a row' })
  .transform(Number)
  .meta({ wire: { type: 'integer', minimum: 0 } });

export const shownLane = closedObject({
  lane: z.string().describe('The chain of one process.'),
  seq: z.int().describe('The number of its last row.'),
  hash: z.string().describe('The hash of that row.'),
}).meta({ id: 'AuditLane' });

export const exportedRow = closedObject({
  lane: z.string(),
  seq: z.int(),
  body: z
    .string()
    .describe('Exactly the text that is hashed: lane, number and event as canonical JSON (RFC 8785).'),
  hash: z.string(),
}).meta({ id: 'ExportedAuditRow' });

const shownKill = closedObject({
  what: z.enum(KILL_EVENTS),
  target: z.string().describe('The agent, person, resource server or signing key.'),
  at: shownInstant,
  by: z
    .string()
    .optional()
    .describe('The OAuth client that asked; absent where the operator did, in person.'),
  reason: z.string().optional().describe('Why, where whoever killed it said so.'),
  requestId: z.string(),
}).meta({ id: 'Kill', description: 'That something was stopped, or allowed to go on.' });

const range = {
  after: z
    .string()
    .regex(/^lane_[0-9a-f]{32}:[1-9]\d{0,14}$/, { error: NEXT })
    .optional()
    .describe('Where the page begins: the `next` of the page before, asked for with the same filters.'),
  limit: limitInput,
  target: anyId.optional().describe('Only what was done to this record.'),
  since: instantInput.optional().describe('Only from this instant on.'),
  before: instantInput.optional().describe('Only before this instant.'),
};

export const auditCalls = {
  listAuditEvents: adminCall({
    method: 'GET',
    path: '/audit',
    tag: 'Audit trail',
    scope: 'audit',
    summary: 'Read the audit trail',
    description:
      'Newest first; filters may be combined. With `actor` or `target`, issued and revoked tokens are left out, which are most of a trail, unless `type` asks for them: then a page may be short or empty and still have a `next`. Instants are exact to a few seconds where several processes write.',
    query: closedObject({
      ...range,
      type: z.enum(EVENT_TYPES).optional().describe('Only events of this type.'),
      actor: anyId.optional().describe('Only what this client asked for, or what was done in its name.'),
    }),
    answer: shownPage(shownAuditRow).meta({ id: 'AuditPage' }),
    paged: true,
    example: { query: { limit: '20' } },
  }),
  listKills: adminCall({
    method: 'GET',
    path: '/kills',
    tag: 'Audit trail',
    scope: 'read',
    summary: 'List what was killed, retired, cut off and restored',
    description: 'Newest first.',
    query: closedObject(range),
    answer: shownPage(shownKill).meta({ id: 'KillPage' }),
    paged: true,
    example: { query: { limit: '20' } },
  }),
  listAuditLanes: adminCall({
    method: 'GET',
    path: '/audit/lanes',
    tag: 'Audit trail',
    scope: 'audit',
    summary: 'List the lanes of the audit trail',
    description: 'One for each process that there has been, in order of age.',
    answer: closedObject({ items: z.array(shownLane) }).meta({ id: 'AuditLanes' }),
    example: {},
  }),
  exportAuditRows: adminCall({
    method: 'GET',
    path: '/audit/lanes/{lane}/rows',
    tag: 'Audit trail',
    scope: 'audit',
    summary: 'Export rows of one lane of the audit trail',
    description:
      'Oldest first, as they are stored, so that the chain can be verified from them. What is left out of a lane at its beginning or in between cannot be verified.',
    params: { lane: laneInput },
    query: closedObject({
      after: seqInput.optional().describe('Only rows with greater numbers: the `next` of the page before.'),
      limit: limitInput,
      since: instantInput.optional().describe('Only events decided from this instant on.'),
      until: instantInput.optional().describe('Only events decided before this instant.'),
    }),
    answer: closedObject({
      items: z.array(exportedRow),
      next: z.int().optional().describe('What to send as `after` for the next page; absent on the last.'),
    }).meta({ id: 'ExportedAuditRows' }),
    example: { params: { lane: LANE }, query: { limit: '20' } },
  }),
};
