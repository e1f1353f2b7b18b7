/** Resource servers in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownPage, shownRecord } from '../admin-api/index.ts';
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
import { closedObject, identifierFilter, idOf, killInput, pageQuery, sortInput } from '../input/index.ts';
import { SIGNING_ALGS } from '../oauth.ts';
import { RISKS } from './resource.ts';
import { resourceChanges, resourceInput } from './resource-input.ts';

const ORDERS = `res_${'a'.repeat(32)}`;
const params = { id: idOf('res') };
const example = { params: { id: ORDERS } };
const tag = 'Resource servers';

const members = {
  id: idOf('res'),
  identifier: z.string().describe('The resource identifier (RFC 8707): the `aud` of every token for it.'),
  name: z.string().describe('What people call it.'),
  scopes: z
    .array(
      closedObject({
        name: z.string(),
        sentence: z.string().describe('What it allows, as a sentence for a human.'),
        risk: z.enum(RISKS),
      }).meta({ id: 'Scope' }),
    )
    .describe('All that it can let an agent do.'),
  tokenFormat: z
    .union([
      closedObject({ kind: z.literal('opaque') }),
      closedObject({ kind: z.literal('jwt'), alg: z.enum(SIGNING_ALGS) }),
    ])
    .describe('What tokens for it look like.'),
  accessTokenTtlSeconds: z.int().describe('The longest life of a token for it.'),
  status: z.enum(['active', 'disabled']),
  credential: shownCredential.describe('With what it asks about tokens; its client identifier is `id`.'),
  ...shownRecord,
};

export const shownResource = closedObject(members).meta({
  id: 'ResourceServer',
  description: 'An MCP server, or any API that is protected by our tokens.',
});
const resourceWithSecret = closedObject({
  ...members,
  secret: shownSecret.optional(),
}).meta({
  id: 'ResourceServerWithSecret',
});

export const resourceCalls = {
  createResource: adminCall({
    method: 'POST',
    path: '/resources',
    tag,
    scope: 'agents',
    summary: 'Register a resource server',
    description: 'The answer shows the secret with which it asks about tokens, where it has one: this once.',
    body: resourceInput.meta({ id: 'ResourceServerInput' }),
    answer: resourceWithSecret,
    status: 201,
    etag: true,
    location: true,
    refusals: ['resource-exists'],
    example: {
      body: {
        id: ORDERS,
        identifier: 'https://orders.example.com/mcp',
        name: 'Orders',
        scopes: [
          { name: 'orders:read', sentence: 'See orders', risk: 'low' },
          { name: 'orders:refund', sentence: 'Pay an order back', risk: 'high' },
        ],
      },
    },
  }),
  listResources: adminCall({
    method: 'GET',
    path: '/resources',
    tag,
    scope: 'read',
    summary: 'List resource servers',
    description: 'Filters may be combined.',
    query: closedObject({
      ...pageQuery,
      sort: sortInput,
      status: z.enum(['active', 'disabled']).optional().describe('Only those that are this.'),
      identifier: identifierFilter.optional().describe('Only the one with this identifier.'),
    }),
    answer: shownPage(shownResource).meta({ id: 'ResourceServerPage' }),
    paged: true,
    example: { query: { limit: '20' } },
  }),
  getResource: adminCall({
    method: 'GET',
    path: '/resources/{id}',
    tag,
    scope: 'read',
    summary: 'Read a resource server',
    params,
    answer: shownResource,
    etag: true,
    refusals: ['resource-unknown'],
    example,
  }),
  updateResource: adminCall({
    method: 'PATCH',
    path: '/resources/{id}',
    tag,
    scope: 'agents',
    summary: 'Change a resource server',
    description:
      'Fields left out stay as they are. Tokens that are out die where the change leaves less than before.',
    params,
    body: resourceChanges.meta({ id: 'ResourceServerChanges' }),
    ifMatch: true,
    answer: shownResource,
    etag: true,
    refusals: ['resource-unknown', 'record-protected'],
    example: { ...example, body: { name: 'Orders and refunds' } },
  }),
  issueResourceSecret: adminCall({
    method: 'POST',
    path: '/resources/{id}/secrets',
    tag,
    scope: 'agents',
    summary: 'Make a new secret for a resource server',
    description: 'The newest one before is accepted beside it; older ones stop working.',
    params,
    mayMatch: true,
    answer: resourceWithSecret,
    status: 201,
    etag: true,
    refusals: ['resource-unknown', 'record-protected', 'credential-takes-no-secret'],
    example,
  }),
  listResourceSecrets: adminCall({
    method: 'GET',
    path: '/resources/{id}/secrets',
    tag,
    scope: 'read',
    summary: 'List the secrets of a resource server',
    description:
      'What they are called and when they were made, newest first; their values are stored nowhere.',
    params,
    answer: shownSecrets,
    refusals: ['resource-unknown', 'credential-takes-no-secret'],
    example,
  }),
  revokeResourceSecret: adminCall({
    method: 'POST',
    path: '/resources/{id}/secrets/{secret}/revoke',
    tag,
    scope: 'kill',
    summary: 'End one secret of a resource server',
    description: 'At once. The other one works on.',
    params: { ...params, secret: secretIdInput },
    mayMatch: true,
    answer: shownResource,
    etag: true,
    refusals: ['resource-unknown', 'record-protected', 'credential-takes-no-secret', 'secret-unknown'],
    example: { params: { id: ORDERS, secret: `sec_${'a'.repeat(12)}` } },
  }),
  addResourceKey: adminCall({
    method: 'POST',
    path: '/resources/{id}/keys',
    tag,
    scope: 'agents',
    summary: 'Register another public key for a resource server',
    description:
      'For one that proves itself with keys registered here. The newest one before is accepted beside it; older ones stop working.',
    params,
    mayMatch: true,
    body: newKeyInput,
    answer: shownResource,
    status: 201,
    etag: true,
    refusals: ['resource-unknown', 'record-protected', 'credential-takes-no-key', 'client-key-registered'],
    example: { ...example, body: { key: NEW_KEY } },
  }),
  listResourceKeys: adminCall({
    method: 'GET',
    path: '/resources/{id}/keys',
    tag,
    scope: 'read',
    summary: 'List the public keys of a resource server',
    description: 'And what they are called, newest first.',
    params,
    answer: shownKeys,
    refusals: ['resource-unknown', 'credential-takes-no-key'],
    example,
  }),
  revokeResourceKey: adminCall({
    method: 'POST',
    path: '/resources/{id}/keys/{key}/revoke',
    tag,
    scope: 'kill',
    summary: 'End one public key of a resource server',
    description: 'At once. The other one works on.',
    params: { ...params, key: keyIdInput },
    mayMatch: true,
    answer: shownResource,
    etag: true,
    refusals: ['resource-unknown', 'record-protected', 'credential-takes-no-key', 'client-key-unknown'],
    example: { params: { id: ORDERS, key: NEW_KEY_ID } },
  }),
  killResource: adminCall({
    method: 'POST',
    path: '/resources/{id}/kill',
    tag,
    scope: 'kill',
    summary: 'Disable a resource server and end every token for it',
    description: 'One write. A disabled resource server stays as it is.',
    params,
    body: killInput,
    bodyOptional: true,
    mayMatch: true,
    answer: shownResource,
    etag: true,
    refusals: ['resource-unknown', 'record-protected'],
    example: { ...example, body: { reason: 'It does what nobody asked it for' } },
  }),
  restoreResource: adminCall({
    method: 'POST',
    path: '/resources/{id}/restore',
    tag,
    scope: 'agents',
    summary: 'Enable a resource server again',
    description: 'What had died stays dead.',
    params,
    mayMatch: true,
    answer: shownResource,
    etag: true,
    refusals: ['resource-unknown', 'record-protected'],
    example,
  }),
};
