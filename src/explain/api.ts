/** Explanations in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant } from '../admin-api/index.ts';
import { AUDIT_EVENTS, type AuditEventType } from '../audit/audit-event.ts';
import { closedObject, idOf } from '../input/index.ts';

const EVENT_TYPES = Object.keys(AUDIT_EVENTS) as [AuditEventType, ...AuditEventType[]];
const params = { id: idOf('agt') };
const example = { params: { id: `agt_${'a'.repeat(32)}` } };
const tag = 'Explanations';

const outcome = z
  .enum(['issue', 'needs-approval', 'refuse'])
  .describe('Whether a token is issued, somebody has to countersign, or it is refused.');
const why = z.string().describe('In words.');

const shownDecision = closedObject({
  outcome,
  why,
  reason: z.string().optional().describe('Of a refusal: the exact reason, as the trail has it.'),
  fix: z.string().optional().describe('What to do.'),
  beyond: z
    .array(z.string())
    .optional()
    .describe('Of what somebody has to countersign: the scopes that it is needed for.'),
  approver: z
    .string()
    .optional()
    .describe(
      'Who alone may countersign: the owner of the agent, or the person of the delegation. Whether they can, shows when it is asked for.',
    ),
  parameter: z.string().optional(),
  sent: z.string().optional(),
  permitted: z.array(z.string()).optional(),
  resource: z.string().optional().describe('Of a token: its audience.'),
  scopes: z.array(z.string()).optional(),
  expiresIn: z.int().optional().describe('For how many seconds.'),
  limitedBy: z
    .enum(['deployment', 'resource', 'agent', 'jwt', 'agent-end', 'delegation'])
    .optional()
    .describe('Which of the limits ends it first.'),
  tokenFormat: z.enum(['opaque', 'jwt']).optional(),
}).meta({ id: 'ExplainedDecision', description: 'What a token request comes to, and why.' });

const shownAgentExplanation = closedObject({
  agent: closedObject({ id: idOf('agt'), name: z.string() }),
  status: z.enum(['active', 'suspended', 'retired', 'expired']),
  owner: closedObject({
    id: idOf('usr'),
    name: z.string(),
    status: z.enum(['active', 'disabled']),
  }).optional(),
  endsAt: shownInstant.optional(),
  because: z.array(z.string()).describe('In words, the most important first.'),
  resources: z.array(
    closedObject({
      resource: z.string(),
      name: z.string().optional(),
      withoutScope: shownDecision.describe('What a request comes to that names no scope.'),
      scopes: z
        .array(
          closedObject({
            scope: z.string(),
            meaning: z.string().optional(),
            risk: z.string().optional(),
            outcome,
            why,
          }),
        )
        .describe('Every scope of the resource server.'),
    }),
  ),
}).meta({ id: 'AgentExplanation', description: 'What an agent may get, from where, until when and why.' });

const shownTokenExplanation = closedObject({
  jti: z.string(),
  state: z.enum(['live', 'expired', 'dead', 'from-the-future']),
  why,
  clientId: z.string(),
  resource: z.string(),
  scope: z.string(),
  issuedAt: shownInstant,
  expiresAt: shownInstant,
  ancestors: z
    .array(
      closedObject({
        id: z.string(),
        kind: z.enum([
          'token',
          'agent',
          'person',
          'resource',
          'delegation',
          'elevation',
          'factor',
          'key',
          'deployment',
        ]),
        name: z.string().optional(),
        carries: z.int().describe('The epoch that the token carries.'),
        holds: z.int().describe('The epoch that holds now: the token is dead where it is higher.'),
      }),
    )
    .describe('What it descends from: it dies with any of them.'),
  cutOffBy: closedObject({
    type: z.enum(EVENT_TYPES),
    at: shownInstant,
    requestId: z.string(),
    client: z.string().optional(),
    subject: z.string().optional(),
    actor: z.string().optional().describe('The person who did it, where it was in their own session.'),
  })
    .optional()
    .describe('Of a dead token, the event that ended it, where the trail still has it.'),
}).meta({ id: 'TokenExplanation', description: 'What a token lives by, or died of.' });

export const explainCalls = {
  explainAgent: adminCall({
    method: 'POST',
    path: '/explain/agent/{id}',
    tag,
    scope: 'read',
    summary: 'Explain what an agent may get, from where, until when and why',
    description: 'By asking the decision for every scope there is. Changes nothing.',
    params,
    answer: shownAgentExplanation,
    refusals: ['agent-unknown'],
    example,
  }),
  explainToken: adminCall({
    method: 'POST',
    path: '/explain/token',
    tag,
    scope: 'read',
    summary: 'Explain whether a token lives, by what, and what ended it',
    description:
      'Named by its `jti` or by its value, which is taken from a file or standard input only, is never repeated, and is in no log. Changes nothing.',
    body: closedObject({
      jti: z
        .string()
        .regex(/^tok_[\w-]{43}$/, { error: 'the `jti` of a token: tok_ and 43 characters' })
        .optional()
        .describe('Its `jti`, as introspection and the trail have it.'),
      token: z
        .string()
        .min(1, { error: 'the value of a token' })
        .max(8_192, { error: 'the value of a token' })
        .optional()
        .meta({ writeOnly: true, description: 'Its value, in place of the `jti`.' }),
    }).meta({ id: 'TokenToExplain' }),
    answer: shownTokenExplanation,
    refusals: ['token-unknown'],
    example: { body: { jti: `tok_${'a'.repeat(43)}` } },
  }),
  explainRequest: adminCall({
    method: 'POST',
    path: '/explain/dry-run/{id}',
    tag,
    scope: 'read',
    summary: 'Say what a token request of an agent would come to, and why',
    description:
      'By the decision that every request meets. Nothing is issued, counted or recorded, and how the agent authenticates is not looked at.',
    params,
    body: closedObject({
      resource: z
        .string()
        .min(1, { error: 'the identifier of a resource server' })
        .max(2_000, { error: 'the identifier of a resource server' })
        .optional()
        .describe(
          'As the request would send it. Where absent the default of the agent, or where the delegation is for.',
        ),
      scope: z
        .string()
        .max(4_000, { error: 'names separated by spaces' })
        .optional()
        .describe(
          'As the request would send it. Where absent the baseline, or all that the delegation holds.',
        ),
      delegationId: idOf('dlg')
        .optional()
        .describe(
          'The delegation that it would exchange for a token; where absent the agent asks for itself.',
        ),
      dpop: z.boolean().optional().describe('Whether the request proves a key (RFC 9449).'),
    }).meta({ id: 'TokenRequestToExplain' }),
    answer: shownDecision,
    refusals: ['agent-unknown', 'delegation-unknown'],
    example: { ...example, body: { scope: 'orders:refund' } },
  }),
};
