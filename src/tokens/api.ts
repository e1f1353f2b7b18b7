/** Tokens in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant, shownPage } from '../admin-api/index.ts';
import { closedObject, idOf, limitInput } from '../input/index.ts';

const JTI = `tok_${'a'.repeat(43)}`;
const jti = z
  .string()
  .regex(/^tok_[\w-]{43}$/, { error: 'the `jti` of a token: tok_ and 43 characters' })
  .describe('The `jti` of the token, as introspection and the trail have it.');
const params = { jti };
const example = { params: { jti: JTI } };
const tag = 'Tokens';

export const shownToken = closedObject({
  jti: z.string(),
  clientId: z.string().describe('The agent that it was issued to.'),
  subject: z.string().describe('For whom.'),
  actor: z
    .array(z.string())
    .optional()
    .describe('Of a token for a person, the agents that act, newest first.'),
  delegationId: z.string().optional().describe('The delegation that it rests on.'),
  resource: z.string().describe('Its audience.'),
  scope: z.string(),
  issuedAt: shownInstant,
  expiresAt: shownInstant,
  isBound: z.boolean().describe('Whether it is bound to a key (RFC 9449).'),
  status: z
    .enum(['live', 'expired', 'dead', 'from-the-future'])
    .describe('From the future is one that a wrong clock has issued: it is not accepted.'),
  endedBy: z
    .string()
    .optional()
    .describe(
      'Of a dead token, what was cut off: itself or a token it was exchanged from, an agent, the owner, the person, the delegation, the resource server, its signing key or the deployment.',
    ),
}).meta({ id: 'Token', description: 'An access token. Its value is not stored.' });

export const tokenCalls = {
  getCaller: adminCall({
    method: 'GET',
    path: '/me',
    tag,
    scope: 'any',
    summary: 'Read who calls, and what the token of this call may do',
    answer: closedObject({
      clientId: z.string(),
      subject: z.string(),
      scopes: z.array(z.string()),
    }).meta({ id: 'Caller' }),
    example: {},
  }),
  listAgentTokens: adminCall({
    method: 'GET',
    path: '/agents/{id}/tokens',
    tag,
    scope: 'read',
    summary: 'List the tokens of an agent that have not expired',
    description: 'Newest first; dead ones too, until they expire.',
    params: { id: idOf('agt') },
    query: closedObject({
      after: jti.optional().describe('Where the page begins: the `next` of the page before.'),
      limit: limitInput,
    }),
    answer: shownPage(shownToken).meta({ id: 'TokenPage' }),
    paged: true,
    refusals: ['agent-unknown'],
    example: { params: { id: `agt_${'a'.repeat(32)}` }, query: { limit: '20' } },
  }),
  getToken: adminCall({
    method: 'GET',
    path: '/tokens/{jti}',
    tag,
    scope: 'read',
    summary: 'Read a token',
    description: 'Until it has expired, and a little longer.',
    params,
    answer: shownToken,
    refusals: ['token-unknown'],
    example,
  }),
  revokeToken: adminCall({
    method: 'POST',
    path: '/tokens/{jti}/revoke',
    tag,
    scope: 'kill',
    summary: 'End one token',
    description: 'Dead everywhere within a second. A token that has ended stays as it is.',
    params,
    answer: shownToken,
    refusals: ['token-unknown'],
    example,
  }),
};
