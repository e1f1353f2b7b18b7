import { z } from 'zod';
import { closedObject, idOf, listOf, scopeName } from '../input/index.ts';

const MAX_SCOPES = 200;
const MAX_NEXT_AGENTS = 20;

const IDENTIFIER = 'the identifier of a registered resource server';
const INSTANT = 'an instant like 2030-01-31T12:00:00Z (RFC 3339)';

/** What a person gives. */
export const delegationInput = closedObject({
  agentId: idOf('agt'),
  resource: z.string({ error: IDENTIFIER }).min(1, { error: IDENTIFIER }).max(500, { error: IDENTIFIER }),
  scopes: listOf(scopeName, { least: 1, most: MAX_SCOPES }),
  /** In 30 days where absent. */
  expiresAt: z.iso
    .datetime({ offset: true, error: INSTANT })
    .transform(text => Date.parse(text))
    .refine(Number.isSafeInteger, { error: INSTANT })
    .optional(),
  mayActNext: listOf(idOf('agt'), { most: MAX_NEXT_AGENTS }).default([]),
});

export type DelegationInput = z.input<typeof delegationInput>;
export type ParsedDelegation = z.output<typeof delegationInput>;
