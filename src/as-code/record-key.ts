import { createHash } from 'node:crypto';
import { z } from 'zod';

export const KINDS = ['Person', 'Resource', 'Agent'] as const;
/** What a document describes. In this order records are made: each finds what it names. */
export type KindName = (typeof KINDS)[number];

export const ID_PREFIXES = { Person: 'usr', Resource: 'res', Agent: 'agt' } as const satisfies Record<
  KindName,
  string
>;

/** With this the digits of an identifier begin that was made from a key. As a time of making it lies eight thousand years ahead. */
const MADE_FROM_KEY = 'f11e';
const DIGITS = 32;

const KEY = 'a key: 1 to 63 small letters, digits, dots and dashes, with a letter or a digit at either end';
const KEY_FORM = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;

/** What a record is called in files, chosen by whoever writes them. */
export const recordKey = z
  .string({ error: KEY })
  .regex(KEY_FORM, { error: KEY })
  .describe(
    'What the record is called in files. Its id is made from it, so a record keeps its key for life.',
  );

export function isKey(text: string): boolean {
  return KEY_FORM.test(text);
}

/** The identifier of the record with a key: the same on every server, known before the record is made. */
export function idFromKey(kind: KindName, key: string): string {
  const digest = createHash('sha256').update(`countersign ${kind}\n${key}`).digest('hex');
  return `${ID_PREFIXES[kind]}_${(MADE_FROM_KEY + digest).slice(0, DIGITS)}`;
}

/** Whether a record was made from files: only those have such identifiers. */
export function isMadeFromKey(id: string): boolean {
  return id.slice(id.indexOf('_') + 1).startsWith(MADE_FROM_KEY);
}
