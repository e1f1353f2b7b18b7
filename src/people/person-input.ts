import { z } from 'zod';
import { closedObject, idOf, listOf, plainText } from '../input/index.ts';
import { ROLES } from './person.ts';

const roles = listOf(z.enum(ROLES), { least: 1, most: ROLES.length });
const email = z.email({ error: 'an e-mail address' }).max(254, { error: 'an e-mail address' });

/** A new person. */
export const personInput = closedObject({
  /** Chosen by files and seeds, so that they can be applied twice. */
  id: idOf('usr').optional(),
  name: plainText(100),
  email: email.optional(),
  roles: roles.default(['member']),
});

/** What may be changed of a person. Fields left out stay as they are; null takes the value away (RFC 7396). */
export const personChanges = closedObject({
  name: plainText(100).optional(),
  email: email.nullable().optional(),
  roles: roles.optional(),
});

export type PersonInput = z.input<typeof personInput>;
export type PersonChanges = z.input<typeof personChanges>;
