import { z } from 'zod';
import { credentialInput } from '../clients/index.ts';
import { accessTokenTtlSeconds, closedObject, idOf, listOf, plainText, scopeName } from '../input.ts';

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
  credential: credentialInput,
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
});

export type AgentInput = z.input<typeof agentInput>;
export type AgentChanges = z.input<typeof agentChanges>;
