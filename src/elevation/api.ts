/** Elevations in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant, shownPage, shownRecord } from '../admin-api/index.ts';
import { closedObject, identifierFilter, idOf, pageQuery } from '../input/index.ts';
import { DENIAL_REASONS, ELEVATION_STATUSES } from './elevation.ts';

const params = { id: idOf('elv') };
const example = { params: { id: `elv_${'a'.repeat(32)}` } };
const tag = 'Elevations';

export const shownElevationRecord = closedObject({
  id: idOf('elv').describe('No secret: it works for nobody.'),
  agentId: z.string().describe('Who asks.'),
  ownerId: z.string().describe('Who answered for the agent when it asked.'),
  subject: z.string().describe('For whom: the person of the delegation, or the agent itself.'),
  approverId: z.string().describe('The person who alone may countersign.'),
  delegationId: z
    .string()
    .optional()
    .describe('What it asks beyond; absent where it asks beyond the baseline of the agent.'),
  resource: z.string().describe('Where: the identifier of the resource server.'),
  scopes: z.array(z.string()).describe('Everything that its token is to hold.'),
  beyond: z.array(z.string()).describe('What of it the agent does not have without being countersigned.'),
  seconds: z.number().describe('For how long, narrowed to what is possible.'),
  reason: z.string().describe('What the agent says that it is for. Nobody has checked it.'),
  bindingCode: z.string().describe('Shown by the agent, and to whoever may countersign.'),
  status: z
    .enum(ELEVATION_STATUSES)
    .describe(
      'What it is now: what has run out is `expired`, and what has lost what it rests on `cancelled`, also before that is recorded.',
    ),
  decideBy: shownInstant.describe('By when somebody has to decide.'),
  approval: closedObject({
    by: z.string(),
    at: shownInstant,
    digest: z.string().describe('Of exactly what was shown: the audit trail and the token have it too.'),
    expiresAt: shownInstant.describe('The end of what was approved.'),
  })
    .optional()
    .describe('Who countersigned it.'),
  denial: closedObject({ by: z.string(), at: shownInstant, reason: z.enum(DENIAL_REASONS) })
    .optional()
    .describe('Who denied it, or took it back.'),
  cancelReason: z.string().optional().describe('Why it was over without anybody having decided against it.'),
  redeemed: closedObject({ at: shownInstant, jti: z.string() })
    .optional()
    .describe('The token that was issued for it.'),
  ...shownRecord,
}).meta({
  id: 'Elevation',
  description: 'A request of an agent for more than it has, for a while, and what became of it.',
});

export const elevationCalls = {
  listElevations: adminCall({
    method: 'GET',
    path: '/elevations',
    tag,
    scope: 'read',
    summary: 'List elevations',
    description:
      'Filters may be combined. A page may be shorter than was asked for: where there is a `next`, there may be more.',
    query: closedObject({
      after: pageQuery.after,
      limit: pageQuery.limit,
      sort: z
        .enum(['id', '-id'])
        .optional()
        .describe('In which order: `id`, oldest first; `-id`, newest first. By `id` where absent.'),
      approverId: idOf('usr').optional().describe('Only those that this person may decide on.'),
      agentId: idOf('agt').optional().describe('Only those that this agent asked for.'),
      resource: identifierFilter.optional().describe('Only those at this resource server.'),
      status: z
        .enum(ELEVATION_STATUSES)
        .optional()
        .describe('Only those that are this now. What is over is found as such once that is recorded.'),
    }),
    answer: shownPage(shownElevationRecord).meta({ id: 'ElevationPage' }),
    paged: true,
    example: { query: { limit: '20' } },
  }),
  getElevation: adminCall({
    method: 'GET',
    path: '/elevations/{id}',
    tag,
    scope: 'read',
    summary: 'Read an elevation',
    params,
    answer: shownElevationRecord,
    etag: true,
    refusals: ['elevation-unknown'],
    example,
  }),
  revokeElevation: adminCall({
    method: 'POST',
    path: '/elevations/{id}/revoke',
    tag,
    scope: 'kill',
    summary: 'Take an elevation back, with its token',
    description:
      'One write, and final: what waits cannot be approved any more, and what was approved is dead. What is over stays as it is.',
    params,
    mayMatch: true,
    answer: shownElevationRecord,
    etag: true,
    refusals: ['elevation-unknown'],
    example,
  }),
};
