/** Errors in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant } from '../admin-api/index.ts';
import { shownEvent } from '../audit/api.ts';
import { closedObject } from '../input/index.ts';

const REFERENCE = 'err_ and 66 characters of base64url, as Error-Ref says, or req_ and 32 hexadecimal digits';

const shownError = closedObject({
  requestId: z.string().describe('The request, as the log and the trail have it.'),
  at: shownInstant.describe('When it came.'),
  answer: closedObject({
    reason: z.string().describe('Why, exactly: who refused, and for which reason.'),
    status: z.int(),
    name: z.string().describe('What the caller was told: `error`, or the last part of `type`.'),
    meaning: z.string(),
    exactly: z.string().optional().describe('What it was, where several reasons look alike to the caller.'),
    fix: z.string().describe('What to do.'),
    page: z.url(),
  })
    .optional()
    .describe('Absent for a request identifier, which does not tell.'),
  claimedClient: z.string().optional().describe('The client that the caller said it was, unproved.'),
  events: z
    .array(shownEvent)
    .describe(
      'What the trail has of the request. Refusals that anybody can cause are counted there together.',
    ),
}).meta({ id: 'ExplainedError', description: 'Why a request was refused.' });

export const refusalCalls = {
  explainError: adminCall({
    method: 'GET',
    path: '/errors/{reference}',
    tag: 'Errors',
    scope: 'audit',
    summary: 'Find the cause of an error by its reference',
    params: {
      reference: z
        .string()
        .regex(/^(?:err_[A-Za-z0-9_-]{66}|req_[0-9a-f]{32})$/, { error: REFERENCE })
        .describe('The Error-Ref of the answer, or the identifier of the request.'),
    },
    answer: shownError,
    refusals: ['reference-unknown'],
    example: { params: { reference: `req_${'0'.repeat(32)}` } },
  }),
};
