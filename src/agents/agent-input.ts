import { z } from 'zod';
import { credentialOrNoneInput } from '../clients/api.ts';
import { accessTokenTtlSeconds, closedObject, idOf, listOf, plainText, scopeName } from '../input/index.ts';
import { MAX_REDIRECT_URIS, redirectUriInput } from './redirect-uri.ts';

const MAX_RESOURCES = 50;
const MAX_SCOPES = 200;

const IDENTIFIER = 'the identifier of a registered resource server';
const identifier = z
  .string({ error: IDENTIFIER })
  .min(1, { error: IDENTIFIER })
  .max(500, { error: IDENTIFIER });

const resourceScopes = listOf(
  closedObject({ resource: identifier, scopes: listOf(scopeName, { least: 1, most: MAX_SCOPES }) }),
  { most: MAX_RESOURCES },
  entry => entry.resource,
);

const INSTANT = 'an instant like 2030-01-31T12:00:00Z (RFC 3339)';
const instant = z.iso
  .datetime({ offset: true, error: INSTANT })
  .transform(text => Date.parse(text))
  .refine(Number.isSafeInteger, { error: INSTANT });

const dpop = z.literal('required', { error: 'required, or nothing' });

const METADATA_HOST =
  'a host name in lower case such as app.example, one below it as *.app.example, or * for all';
const metadataHost = z
  .string({ error: METADATA_HOST })
  .max(253, { error: METADATA_HOST })
  .regex(/^(?:\*|(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)$/, {
    error: METADATA_HOST,
  });

const MAX_METADATA_HOSTS = 100;
const application = closedObject({
  redirectUris: listOf(redirectUriInput, { most: MAX_REDIRECT_URIS }).default([]),
  metadataHosts: listOf(metadataHost, { least: 1, most: MAX_METADATA_HOSTS }).optional(),
  selfRegistration: z.literal('open', { error: 'open, or nothing' }).optional(),
  refreshTokens: z.literal('always', { error: 'always, or nothing' }).optional(),
});

/** A new agent. */
export const agentInput = closedObject({
  /** Chosen by files and seeds, so that they can be applied twice. */
  id: idOf('agt').optional(),
  name: plainText(100),
  purpose: plainText(500).optional(),
  ownerId: idOf('usr'),
  expiresAt: instant.optional(),
  envelope: resourceScopes,
  baseline: resourceScopes.default([]),
  defaultResource: identifier.optional(),
  accessTokenTtlSeconds: accessTokenTtlSeconds.optional(),
  dpop: dpop.optional(),
  application: application.optional(),
  credential: credentialOrNoneInput,
});

/** What may be changed of an agent. Fields left out stay as they are; null takes the value away (RFC 7396). */
export const agentChanges = closedObject({
  name: plainText(100).optional(),
  purpose: plainText(500).nullable().optional(),
  ownerId: idOf('usr').optional(),
  expiresAt: instant.nullable().optional(),
  envelope: resourceScopes.optional(),
  baseline: resourceScopes.optional(),
  defaultResource: identifier.nullable().optional(),
  accessTokenTtlSeconds: accessTokenTtlSeconds.nullable().optional(),
  dpop: dpop.nullable().optional(),
  application: application.optional(),
});

export type AgentInput = z.input<typeof agentInput>;
export type AgentChanges = z.input<typeof agentChanges>;
