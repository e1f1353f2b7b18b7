/** Agents in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant, shownPage, shownRecord } from '../admin-api/index.ts';
import {
  keyIdInput,
  NEW_KEY,
  NEW_KEY_ID,
  newKeyInput,
  secretIdInput,
  shownCredential,
  shownKeys,
  shownSecret,
  shownSecrets,
} from '../clients/api.ts';
import { closedObject, identifierFilter, idOf, instantInput, killInput, pageQuery } from '../input/index.ts';
import { AGENT_STATUSES } from './agent.ts';
import { agentChanges, agentInput } from './agent-input.ts';

const REFUNDER = `agt_${'a'.repeat(32)}`;
const params = { id: idOf('agt') };
const example = { params: { id: REFUNDER } };
const tag = 'Agents';

const CHECKS = [
  'owner-not-registered',
  'owner-not-active',
  'envelope-resource-unknown',
  'envelope-resource-repeated',
  'envelope-scope-unknown',
  'baseline-beyond-envelope',
  'default-resource-beyond-envelope',
  'expiry-in-the-past',
  'application-not-possible',
  'admin-scope-not-held',
] as const;

const resourceScopes = z.array(
  closedObject({ resource: z.string(), scopes: z.array(z.string()) }).meta({ id: 'ResourceScopes' }),
);

const members = {
  id: idOf('agt').describe('Also the client identifier.'),
  name: z.string().describe('What people call it.'),
  purpose: z.string().optional().describe('What it is for, in the words of its owner.'),
  ownerId: z.string().describe('The person who answers for it.'),
  status: z.enum(AGENT_STATUSES),
  expiresAt: shownInstant.optional().describe('When it ends by itself.'),
  envelope: resourceScopes.describe('The most it may ever hold.'),
  baseline: resourceScopes.describe('What it gets without asking a human.'),
  defaultResource: z.string().optional().describe('The resource server that is meant when it names none.'),
  accessTokenTtlSeconds: z.int().optional().describe('The longest life of a token for it.'),
  dpop: z.literal('required').optional().describe('Its tokens must be bound to a key (RFC 9449).'),
  application: closedObject({
    redirectUris: z.array(z.string()).describe('None for a template.'),
    metadataHosts: z
      .array(z.string())
      .optional()
      .describe('It admits applications whose Client ID Metadata Documents are at these hosts.'),
    refreshTokens: z
      .literal('always')
      .optional()
      .describe('A refresh token without being asked for one (`offline_access` with `prompt=consent`).'),
    selfRegistration: z
      .literal('open')
      .optional()
      .describe('It admits applications that register themselves.'),
  })
    .meta({ id: 'Application' })
    .optional()
    .describe('It is used by people in their browser, each for themselves, and gets nothing for itself.'),
  applicationId: z
    .string()
    .optional()
    .describe('The application through which its owner uses it, or the template that admits it.'),
  clientId: z
    .string()
    .optional()
    .describe('The client through which its owner uses it, where a template admits that.'),
  credential: shownCredential,
  ...shownRecord,
};

export const shownAgent = closedObject(members).meta({
  id: 'Agent',
  description: 'An AI agent, with the OAuth client through which it acts.',
});
const agentWithSecret = closedObject({
  ...members,
  secret: shownSecret.optional(),
}).meta({
  id: 'AgentWithSecret',
});
const agentWithUse = closedObject({
  ...members,
  lastUsedAt: shownInstant.optional().describe('When it last authenticated, to the minute.'),
}).meta({ id: 'AgentWithUse' });

export const agentCalls = {
  createAgent: adminCall({
    method: 'POST',
    path: '/agents',
    tag,
    scope: 'agents',
    summary: 'Register an agent',
    description: 'The answer shows its secret, where it authenticates with one: this once.',
    body: agentInput.meta({ id: 'AgentInput' }),
    answer: agentWithSecret,
    status: 201,
    etag: true,
    location: true,
    refusals: ['agent-exists', ...CHECKS],
    example: {
      body: {
        id: REFUNDER,
        name: 'Refunder',
        purpose: 'Answers complaints about orders',
        ownerId: `usr_${'a'.repeat(32)}`,
        envelope: [{ resource: 'https://orders.example.com/mcp', scopes: ['orders:read', 'orders:refund'] }],
        baseline: [{ resource: 'https://orders.example.com/mcp', scopes: ['orders:read'] }],
        defaultResource: 'https://orders.example.com/mcp',
        credential: { method: 'client_secret' },
      },
    },
  }),
  listAgents: adminCall({
    method: 'GET',
    path: '/agents',
    tag,
    scope: 'read',
    summary: 'List agents',
    description:
      'Filters may be combined. A page may be shorter than was asked for: where there is a `next`, there may be more.',
    query: closedObject({
      ...pageQuery,
      sort: z
        .enum(['id', '-id', 'name', 'lastUsed'])
        .optional()
        .describe(
          'In which order: `id`, which is by age unless an identifier was chosen; `-id`, newest first; `name`; `lastUsed`, those first that have not been used for longest. `name` with `namePrefix`, `lastUsed` with `lastUsedBefore`, otherwise `id` where absent.',
        ),
      status: z.enum(AGENT_STATUSES).optional().describe('Only those that are this now.'),
      ownerId: idOf('usr').optional().describe('Only those of this owner.'),
      resource: identifierFilter
        .optional()
        .describe('Only those that have this resource server in their envelope.'),
      lastUsedBefore: instantInput
        .optional()
        .describe(
          'Only those that were last used before this instant, or, where they never were, registered before it. To the minute, in order of last use.',
        ),
    }),
    answer: shownPage(shownAgent).meta({ id: 'AgentPage' }),
    paged: true,
    example: { query: { limit: '20' } },
  }),
  getAgent: adminCall({
    method: 'GET',
    path: '/agents/{id}',
    tag,
    scope: 'read',
    summary: 'Read an agent',
    params,
    answer: agentWithUse,
    etag: true,
    refusals: ['agent-unknown'],
    example,
  }),
  updateAgent: adminCall({
    method: 'PATCH',
    path: '/agents/{id}',
    tag,
    scope: 'agents',
    summary: 'Change an agent',
    description:
      'Fields left out stay as they are; `null` takes a value away (RFC 7396). Tokens that are out die where the change leaves less than before, and live on where it leaves more. What it may do at this API, the caller must be allowed too.',
    params,
    body: agentChanges.meta({ id: 'AgentChanges' }),
    ifMatch: true,
    answer: shownAgent,
    etag: true,
    refusals: ['agent-unknown', 'agent-is-retired', ...CHECKS],
    example: { ...example, body: { purpose: null, accessTokenTtlSeconds: 120 } },
  }),
  issueAgentSecret: adminCall({
    method: 'POST',
    path: '/agents/{id}/secrets',
    tag,
    scope: 'agents',
    summary: 'Make a new secret for an agent',
    description:
      'The newest one before is accepted beside it; older ones stop working. Whoever knows a secret is the agent, so the caller must hold what the agent holds of this API.',
    params,
    mayMatch: true,
    answer: agentWithSecret,
    status: 201,
    etag: true,
    refusals: ['agent-unknown', 'agent-is-retired', 'credential-takes-no-secret', 'admin-scope-not-held'],
    example,
  }),
  listAgentSecrets: adminCall({
    method: 'GET',
    path: '/agents/{id}/secrets',
    tag,
    scope: 'read',
    summary: 'List the secrets of an agent',
    description:
      'What they are called and when they were made, newest first; their values are stored nowhere.',
    params,
    answer: shownSecrets,
    refusals: ['agent-unknown', 'credential-takes-no-secret'],
    example,
  }),
  revokeAgentSecret: adminCall({
    method: 'POST',
    path: '/agents/{id}/secrets/{secret}/revoke',
    tag,
    scope: 'kill',
    summary: 'End one secret of an agent',
    description:
      'At once. The other one works on. Tokens that were got with it live to their end: revoke those too where it has leaked. What it may do at this API, the caller must be allowed too.',
    params: { ...params, secret: secretIdInput },
    mayMatch: true,
    answer: shownAgent,
    etag: true,
    refusals: ['agent-unknown', 'admin-scope-not-held', 'credential-takes-no-secret', 'secret-unknown'],
    example: { params: { id: REFUNDER, secret: `sec_${'a'.repeat(12)}` } },
  }),
  addAgentKey: adminCall({
    method: 'POST',
    path: '/agents/{id}/keys',
    tag,
    scope: 'agents',
    summary: 'Register another public key for an agent',
    description:
      'For one that proves itself with keys registered here. The newest one before is accepted beside it; older ones stop working. Whoever holds the other half is the agent, so the caller must hold what the agent holds of this API.',
    params,
    mayMatch: true,
    body: newKeyInput,
    answer: shownAgent,
    status: 201,
    etag: true,
    refusals: [
      'agent-unknown',
      'agent-is-retired',
      'admin-scope-not-held',
      'credential-takes-no-key',
      'client-key-registered',
    ],
    example: { ...example, body: { key: NEW_KEY } },
  }),
  listAgentKeys: adminCall({
    method: 'GET',
    path: '/agents/{id}/keys',
    tag,
    scope: 'read',
    summary: 'List the public keys of an agent',
    description: 'And what they are called, newest first.',
    params,
    answer: shownKeys,
    refusals: ['agent-unknown', 'credential-takes-no-key'],
    example,
  }),
  revokeAgentKey: adminCall({
    method: 'POST',
    path: '/agents/{id}/keys/{key}/revoke',
    tag,
    scope: 'kill',
    summary: 'End one public key of an agent',
    description:
      'At once. The other one works on. Tokens that were got with it live to their end: revoke those too where it has leaked. What it may do at this API, the caller must be allowed too.',
    params: { ...params, key: keyIdInput },
    mayMatch: true,
    answer: shownAgent,
    etag: true,
    refusals: ['agent-unknown', 'admin-scope-not-held', 'credential-takes-no-key', 'client-key-unknown'],
    example: { params: { id: REFUNDER, key: NEW_KEY_ID } },
  }),
  revokeAgentTokens: adminCall({
    method: 'POST',
    path: '/agents/{id}/tokens/revoke',
    tag,
    scope: 'kill',
    summary: 'End every token of an agent, and let it go on',
    description: 'One write. It can get new ones at once: to stop it, kill it.',
    params,
    mayMatch: true,
    answer: shownAgent,
    etag: true,
    refusals: ['agent-unknown'],
    example,
  }),
  killAgent: adminCall({
    method: 'POST',
    path: '/agents/{id}/kill',
    tag,
    scope: 'kill',
    summary: 'Suspend an agent and end everything it holds',
    description:
      'One write: within a second its tokens are dead everywhere and its credentials prove nothing. A suspended or retired agent stays as it is.',
    params,
    body: killInput,
    bodyOptional: true,
    mayMatch: true,
    answer: shownAgent,
    etag: true,
    refusals: ['agent-unknown'],
    example: { ...example, body: { reason: 'It does what nobody asked it for' } },
  }),
  restoreAgent: adminCall({
    method: 'POST',
    path: '/agents/{id}/restore',
    tag,
    scope: 'agents',
    summary: 'Let a suspended agent work again',
    description: 'What had died stays dead. What it may do at this API, the caller must be allowed too.',
    params,
    mayMatch: true,
    answer: shownAgent,
    etag: true,
    refusals: ['agent-unknown', 'agent-is-retired', 'admin-scope-not-held'],
    example,
  }),
  retireAgent: adminCall({
    method: 'POST',
    path: '/agents/{id}/retire',
    tag,
    scope: 'kill',
    summary: 'End an agent for good',
    description:
      'As a kill does, and without a way back: so what it may do at this API, the caller must be allowed too.',
    params,
    mayMatch: true,
    answer: shownAgent,
    etag: true,
    refusals: ['agent-unknown', 'admin-scope-not-held'],
    example,
  }),
};
