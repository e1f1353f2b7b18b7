import { z } from 'zod';
import { yaml } from '../late-libraries.ts';

/** What is known of a value from its schema: enough to type it, to read it and to say what is permitted. */
export interface Field {
  /** As the API has it. */
  readonly name: string;
  /** As it is typed, without the dashes. */
  readonly flag: string;
  readonly kind: 'text' | 'number' | 'switch' | 'texts' | 'structures' | 'structure';
  readonly isRequired: boolean;
  /** Whether `null` takes the value away. */
  readonly isClearable: boolean;
  readonly description: string | undefined;
  /** The only values there are. */
  readonly values: readonly string[];
  /** In words. */
  readonly permitted: string | undefined;
  /** How a structure may be written short: by the word that tells its kind, or as `NAME ITEM…`. */
  readonly short: Short | undefined;
}

type Short =
  | { readonly kind: 'word'; readonly member: string; readonly words: readonly string[] }
  | { readonly kind: 'head'; readonly head: string; readonly rest: string };

/** A schema as JSON Schema has it, as far as it is looked at here. */
export interface Json {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Json[];
  readonly oneOf?: readonly Json[];
  readonly items?: Json;
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
  readonly wire?: Json;
  readonly writeOnly?: boolean;
  readonly maximum?: number;
}

/** The fields of a closed object, but for those that are only written: secrets, which are never typed where shells remember them. */
export function fieldsOf(schema: z.ZodType | undefined): readonly Field[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const { properties = {}, required = [] } = jsonOf(schema, 'input');
  const typed = Object.entries(properties).filter(([, { writeOnly }]) => !writeOnly);
  return typed.map(([name, json]) => {
    const present = withoutNull(json);
    const values = valuesOf(present.kind === 'array' ? present.json.items : present.json);
    const member = (schema.shape as Record<string, z.ZodType>)[name];
    const words = permittedOf(member);
    return {
      name,
      flag: kebab(name),
      kind: kindOf(present.json),
      isRequired: required.includes(name),
      isClearable: present.isNullable,
      description: json.description === words ? undefined : json.description,
      values,
      permitted: values.length > 0 ? undefined : words,
      short: shortOf(present.json, member),
    };
  });
}

/** `accessTokenTtlSeconds` is typed `access-token-ttl-seconds`. */
export function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

/** Reads what was typed after a flag. What makes no sense is handed on as it is, for the schema to say what is permitted. */
export function readFlag(field: Field, typed: string | boolean | readonly string[]): unknown {
  if (typeof typed === 'boolean') return typed;
  if (typeof typed !== 'string') {
    return field.kind === 'structures' ? typed.map(each => readStructure(field, each)) : typed;
  }
  if (field.kind === 'number') return /^-?\d+$/.test(typed) ? Number(typed) : typed;
  return field.kind === 'structure' ? readStructure(field, typed) : typed;
}

function readStructure({ short }: Field, typed: string): unknown {
  if (short?.kind === 'word' && short.words.includes(typed)) return { [short.member]: typed };
  if (!/^\s*[[{]/.test(typed) && short?.kind === 'head') {
    const [head, ...rest] = typed.split(/\s+/).filter(part => part !== '');
    return { [short.head]: head, [short.rest]: rest };
  }
  try {
    return yaml().parse(typed);
  } catch {
    return typed;
  }
}

/** The flags that a value is typed with: the other way round. */
export function writeFlags(field: Field, value: unknown): readonly (readonly [flag: string, text: string])[] {
  if (value === null) return [['clear', field.flag]];
  const values = Array.isArray(value) ? value : [value];
  return values.map(each => [field.flag, writeValue(field, each)]);
}

function writeValue({ short }: Field, value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const members = value as Readonly<Record<string, unknown>>;
  if (short?.kind === 'word' && Object.keys(members).length === 1) return String(members[short.member]);
  if (short?.kind === 'head') return [members[short.head], ...(members[short.rest] as string[])].join(' ');
  return yaml().stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}

/** Made once each: a verb asks for the same few for every flag. */
const MADE = { input: new WeakMap<z.ZodType, Json>(), output: new WeakMap<z.ZodType, Json>() };

/** A schema in JSON, everything in its place. */
export function jsonOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const known = MADE[io].get(schema);
  if (known) return known;
  const made = makeJson(schema, io);
  MADE[io].set(schema, made);
  return made;
}

function makeJson(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $defs = {}, ...json } = z.toJSONSchema(schema, { io }) as Json & { $defs?: Record<string, Json> };
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref, ...others } = value as { $ref?: string };
    const target = $ref === undefined ? {} : $defs[$ref.replace('#/$defs/', '')];
    return Object.fromEntries(
      Object.entries({ ...target, ...others }).map(([key, each]) => [key, resolve(each)]),
    );
  };
  return resolve(json) as Json;
}

function withoutNull(json: Json): {
  readonly json: Json;
  readonly kind: string | undefined;
  isNullable: boolean;
} {
  const others = json.anyOf?.filter(each => each.type !== 'null') ?? [];
  const isNullable = json.anyOf !== undefined && others.length < json.anyOf.length;
  const [only] = others;
  const present = isNullable && others.length === 1 && only ? only : json;
  return { json: present, kind: present.type, isNullable };
}

function kindOf(json: Json): Field['kind'] {
  if (json.type === 'integer' || json.type === 'number') return 'number';
  if (json.type === 'boolean') return 'switch';
  if (json.type === 'array') return json.items?.type === 'string' ? 'texts' : 'structures';
  return json.type === 'object' || json.anyOf || json.oneOf ? 'structure' : 'text';
}

function valuesOf(json: Json | undefined): readonly string[] {
  if (json?.const !== undefined) return [String(json.const)];
  return json?.enum?.map(String) ?? [];
}

/** What a schema says about anything else than it permits: it is what it permits. */
function permittedOf(schema: z.ZodType | undefined): string | undefined {
  const messages = [{}, '\0'].map(each => schema?.safeParse(each).error?.issues[0]?.message);
  return messages.find(message => message !== undefined && !message.startsWith('Invalid'));
}

function shortOf(json: Json, schema: z.ZodType | undefined): Short | undefined {
  const variants = json.oneOf ?? json.anyOf;
  if (variants) return wordOf(variants, schema);
  const properties = Object.entries(json.items?.properties ?? {});
  const [head, rest] = properties;
  const isShort =
    properties.length === 2 && head?.[1].type === 'string' && rest?.[1].items?.type === 'string';
  return isShort ? { kind: 'head', head: head[0], rest: rest[0] } : undefined;
}

/** The member whose fixed value tells the variants of a union apart, and those of its values that say everything. */
function wordOf(variants: readonly Json[], schema: z.ZodType | undefined): Short | undefined {
  const fixed = (json: Json): [string, Json] | undefined =>
    Object.entries(json.properties ?? {}).find(([, { const: value }]) => value !== undefined);
  const [member] = fixed(variants[0] ?? {}) ?? [];
  if (member === undefined) return undefined;
  const words = variants
    .map(({ properties }) => properties?.[member]?.const)
    .filter(word => typeof word === 'string')
    .filter(word => schema?.safeParse({ [member]: word }).success);
  return { kind: 'word', member, words };
}
