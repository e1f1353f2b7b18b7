import { z } from 'zod';
import { Refused } from '../errors.ts';
import { SCOPE_TOKEN } from '../oauth.ts';
import { replaceDeceptive, withoutSecrets } from '../text/index.ts';

/**
 * What comes from outside, the same way through the API, the command line, files and seeds. Schemas are closed: an unknown
 * field is refused, never dropped (I8). The message of each schema says what is permitted, so that it can be shown as it is.
 */

export type InputRefusal = 'input-invalid';

/** How much of a refused value is shown. */
const MAX_SHOWN_CHARACTERS = 200;
const MAX_SHOWN_PROBLEMS = 10;

/**
 * Characters that make text look like something else than it is, or like nothing: controls, line and paragraph separators,
 * bidirectional and other formatting, zero-width and filler characters, halves of surrogate pairs (I17).
 */
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
const EDGE_SPACE = /^\s|\s$/u;
/** As much of it as the dialects of JSON Schema's `pattern` agree on. */
const PLAIN_TEXT = '^[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f])?$';

/**
 * One line of text for people to read: as long as it is said to be, and nothing in it that cannot be seen, but for the joiners that its
 * script or its emoji needs.
 */
export function plainText(maxCharacters: number): z.ZodType<string, string> {
  const error = `one line of 1 to ${maxCharacters} characters, without control, direction or invisible characters, and without space at either end`;
  return z
    .string({ error })
    .min(1, { error })
    .max(maxCharacters, { error })
    .refine(text => !isDeceptive(text) && !EDGE_SPACE.test(text), { error })
    .meta({ description: error, pattern: PLAIN_TEXT });
}

function isDeceptive(text: string): boolean {
  let isOne = false;
  replaceDeceptive(text, DECEPTIVE, character => {
    isOne = true;
    return character;
  });
  return isOne;
}

/** An object with these fields and no other. */
export function closedObject<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: issue => {
      if (issue.code === 'unrecognized_keys') return `fields: ${Object.keys(shape).join(', ')}`;
      return issue.code === 'invalid_type'
        ? `an object with the fields ${Object.keys(shape).join(', ')}`
        : undefined;
    },
  });
}

/** An identifier of ours, see `ids.ts`. */
export function idOf<Prefix extends 'agt' | 'usr' | 'res' | 'key' | 'dlg' | 'elv'>(
  prefix: Prefix,
): z.ZodType<`${Prefix}_${string}`, string> {
  return z.templateLiteral([`${prefix}_`, z.string().regex(/^[0-9a-f]{32}$/)], {
    error: `${prefix}_ and 32 hexadecimal digits in lower case`,
  }) as z.ZodType<string, string> as z.ZodType<`${Prefix}_${string}`, string>;
}

/** A resource identifier to look for: whatever is registered is found, whatever is not finds nothing. */
export const identifierFilter: z.ZodType<string, string> = (() => {
  const error = 'a resource identifier of 1 to 2000 characters';
  return z.string({ error }).min(1, { error }).max(2_000, { error });
})();

/** A scope token (RFC 6749 section 3.3). */
export const scopeName: z.ZodType<string, string> = z
  .string({ error: 'a scope name' })
  .max(100, { error: 'a scope name of at most 100 characters' })
  .regex(SCOPE_TOKEN, {
    error: 'a scope name: printable ASCII without space, " and \\ (RFC 6749 section 3.3)',
  });

/** A list of at most so many, each once. */
export function listOf<Item extends z.ZodType>(
  item: Item,
  limits: { readonly least?: number; readonly most: number },
  keyOf: (value: z.output<Item>) => unknown = value => value,
): z.ZodType<z.output<Item>[], z.input<Item>[]> {
  const error = `a list of ${limits.least ?? 0} to ${limits.most}, each once`;
  return z
    .array(item, { error })
    .min(limits.least ?? 0, { error })
    .max(limits.most, { error })
    .refine(values => new Set(values.map(keyOf)).size === values.length, { error })
    .meta({ uniqueItems: true });
}

/** The life of an access token, in seconds. */
export const accessTokenTtlSeconds: z.ZodType<number, number> = (() => {
  const error = 'a whole number of seconds from 30 to 3600';
  return z.int({ error }).min(30, { error }).max(3600, { error });
})();

/**
 * Crosses the border: from anything to what a schema says.
 *
 * @throws {Refused<InputRefusal>} naming the first field at fault, what was sent, what is permitted, and the other fields at
 *   fault; what was sent as a credential is never repeated
 */
export function parseInput<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const [first, ...others] = result.error.issues;
  if (!first) throw new Refused<InputRefusal>('input-invalid');
  const sent = sentValue(first);
  throw new Refused<InputRefusal>('input-invalid', {
    parameter: pathOf(first),
    ...(sent !== undefined && { sent }),
    permitted: first.code === 'invalid_value' ? first.values.map(String) : [first.message],
    ...(others.length > 0 && {
      hint: `also: ${others
        .slice(0, MAX_SHOWN_PROBLEMS)
        .map(issue => `${pathOf(issue)} (permitted: ${issue.message})`)
        .join('; ')}`,
    }),
  });
}

/** Text from outside as it may be shown: without what may be a secret, cut, and with every deceptive character as its code. */
export function shown(text: string): string {
  const told = withoutSecrets(text);
  const cut = told.length > MAX_SHOWN_CHARACTERS ? `${told.slice(0, MAX_SHOWN_CHARACTERS)}…` : told;
  return cut.replace(new RegExp(DECEPTIVE, 'gu'), c => `\\u{${c.codePointAt(0)?.toString(16)}}`);
}

function pathOf(issue: z.core.$ZodIssue): string {
  // An unknown field is itself what is at fault, not the object it stands in.
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys.join(', ')] : issue.path;
  const text = path.reduce<string>((before, key) => {
    if (typeof key === 'number') return `${before}[${key}]`;
    return before === '' ? String(key) : `${before}.${String(key)}`;
  }, '');
  return shown(text) || 'the whole';
}

function sentValue(issue: z.core.$ZodIssue): string | undefined {
  if (issue.path[0] === 'credential' || issue.path[0] === 'key') return undefined;
  const { input } = issue;
  return typeof input === 'string' ||
    typeof input === 'number' ||
    typeof input === 'boolean' ||
    input === null
    ? shown(String(input))
    : undefined;
}
