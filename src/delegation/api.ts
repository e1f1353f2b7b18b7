/** Delegations in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant, shownPage, shownRecord } from '../admin-api/index.ts';
import { closedObject, identifierFilter, idOf, pageQuery } from '../input/index.ts';
import { DELEGATION_STATUSES } from './delegation.ts';

const params = { id: idOf('dlg') };
const example = { params: { id: `dlg_${'a'.repeat(32)}` } };
const tag = 'Delegations';

export const shownDelegation = closedObject({
  id: idOf('dlg').describe('No secret: it works only for the agent that is named here.'),
  personId: z.string().describe('For whom.'),
  agentId: z.string().describe('Who acts.'),
  resource: z.string().describe('Where: the identifier of the resource server.'),
  scopes: z
    .array(z.string())
    .describe(
      'The most that its tokens may hold, within what the agent may have and what is not of high risk.',
    ),
  expiresAt: shownInstant.describe('When it ends by itself.'),
  mayActNext: z.array(z.string()).describe('The agents that the work may be handed on to.'),
  status: z
    .enum(DELEGATION_STATUSES)
    .describe(
      '`suspended` where its person, agent or resource server is stopped: it goes on when they are restored. `ended` is final.',
    ),
  ...shownRecord,
}).meta({
  id: 'Delegation',
  description: 'A standing permission of a person that an agent acts for them at one resource server.',
});

export const delegationCalls = {
  listDelegations: adminCall({
    method: 'GET',
    path: '/delegations',
    tag,
    scope: 'read',
    summary: 'List delegations',
    description:
      'Filters may be combined. A page may be shorter than was asked for: where there is a `next`, there may be more.',
    query: closedObject({
      after: pageQuery.after,
      limit: pageQuery.limit,
      sort: z
        .enum(['id', '-id'])
        .optional()
        .describe('In which order: `id`, oldest first; `-id`, newest first. By `id` where absent.'),
      personId: idOf('usr').optional().describe('Only those of this person.'),
      agentId: idOf('agt').optional().describe('Only those that this agent was given.'),
      resource: identifierFilter.optional().describe('Only those at this resource server.'),
      status: z.enum(DELEGATION_STATUSES).optional().describe('Only those that are this now.'),
    }),
    answer: shownPage(shownDelegation).meta({ id: 'DelegationPage' }),
    paged: true,
    example: { query: { limit: '20' } },
  }),
  getDelegation: adminCall({
    method: 'GET',
    path: '/delegations/{id}',
    tag,
    scope: 'read',
    summary: 'Read a delegation',
    params,
    answer: shownDelegation,
    etag: true,
    refusals: ['delegation-unknown'],
    example,
  }),
  endDelegation: adminCall({
    method: 'POST',
    path: '/delegations/{id}/end',
    tag,
    scope: 'kill',
    summary: 'End a delegation and every token under it',
    description:
      'One write, and final: the person gives another one if that is what they want. An ended delegation stays as it is.',
    params,
    mayMatch: true,
    answer: shownDelegation,
    etag: true,
    refusals: ['delegation-unknown'],
    example,
  }),
};
