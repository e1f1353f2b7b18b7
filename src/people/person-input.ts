import { z } from 'zod';
import { closedObject, idOf, listOf, plainText } from '../input/index.ts';
import { ROLES } from './person.ts';

const roles = listOf(z.enum(ROLES), { least: 1, most: ROLES.length });

/** What stands before the @ (RFC 5321 section 4.1.2, Dot-string), without the quoted form, which nobody is called by. */
const LOCAL_PART = /(?:[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)/;
const DNS_LABEL = /(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)/;
/** Letters, or any script in the form that names have in DNS (RFC 5890, A-label). */
const TOP_LABEL = /(?:[A-Za-z]{2,63}|xn--[A-Za-z0-9-]{0,58}[A-Za-z0-9])/;
const EMAIL = new RegExp(`^${LOCAL_PART.source}@(?:${DNS_LABEL.source}\\.)+${TOP_LABEL.source}$`);
const MAX_LOCAL_PART = 64;

const NOT_AN_EMAIL = 'an e-mail address, its domain in ASCII (xn--… where it has other letters)';
/** An address that somebody signs in with. */
export const emailInput = z
  .email({ pattern: EMAIL, error: NOT_AN_EMAIL })
  .max(254, { error: NOT_AN_EMAIL })
  .refine(address => address.indexOf('@') <= MAX_LOCAL_PART, { error: NOT_AN_EMAIL });

/** A new person. */
export const personInput = closedObject({
  /** Chosen by files and seeds, so that they can be applied twice. */
  id: idOf('usr').optional(),
  name: plainText(100),
  email: emailInput.optional(),
  roles: roles.default(['member']),
});

/** What may be changed of a person. Fields left out stay as they are; null takes the value away (RFC 7396). */
export const personChanges = closedObject({
  name: plainText(100).optional(),
  email: emailInput.nullable().optional(),
  roles: roles.optional(),
});

export type PersonInput = z.input<typeof personInput>;
export type PersonChanges = z.input<typeof personChanges>;
