import { agentCalls } from '../agents/api.ts';
import { auditCalls } from '../audit/api.ts';
import { delegationCalls } from '../delegation/api.ts';
import { elevationCalls } from '../elevation/api.ts';
import { explainCalls } from '../explain/api.ts';
import { signingKeyCalls } from '../keys/api.ts';
import { peopleCalls } from '../people/api.ts';
import { refusalCalls } from '../refusals/api.ts';
import { resourceCalls } from '../resources/api.ts';
import { tokenCalls } from '../tokens/api.ts';
import type { AdminCalls } from './call.ts';

/**
 * Every call of the admin API, by `operationId`: for the server, which must bind each, for the client, and for the documents. In
 * this order each example finds what it needs.
 */
export const ADMIN_CALLS = {
  ...peopleCalls,
  ...resourceCalls,
  ...agentCalls,
  ...delegationCalls,
  ...elevationCalls,
  ...tokenCalls,
  ...explainCalls,
  ...signingKeyCalls,
  ...auditCalls,
  ...refusalCalls,
} satisfies AdminCalls;
