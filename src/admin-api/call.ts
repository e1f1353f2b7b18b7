import { z } from 'zod';
import { closedObject } from '../input/index.ts';

/**
 * A call of the admin API, described once, as data: the server binds a handler to it, checks what comes and goes by it, and makes
 * `/openapi.json` and `docs/api.md` of it; the client takes its methods and types from it. Nothing here, and nothing in a
 * capability's `api.ts`, knows the server.
 */

/** The scopes of our own API; `resources/admin-api.ts` has them in words. */
export const ADMIN_SCOPES = ['read', 'agents', 'people', 'kill', 'keys', 'audit'] as const;
export type AdminScope = (typeof ADMIN_SCOPES)[number];

export interface AdminCallDescription {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** Below `/api/v1`. A parameter is written `{name}` and described in `params`. */
  readonly path: `/${string}`;
  /** The heading it stands under. */
  readonly tag: string;
  /** The scope that opens it; `any` for a call that every token for this API may make. */
  readonly scope: AdminScope | 'any';
  /** What it does, in the imperative, on one line. */
  readonly summary: string;
  /** What else there is to know. */
  readonly description?: string;
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Without a body it is made as with an empty object. */
  readonly bodyOptional?: true;
  /** The change names the version that it is made to (`If-Match`). */
  readonly ifMatch?: true;
  /** What it does, it does to one record, and may name the version of that (`If-Match`). */
  readonly mayMatch?: true;
  readonly answer: z.ZodType;
  /** 200 where absent. What makes something is 201, and may carry an `Idempotency-Key`. */
  readonly status?: 201;
  /** The answer is a record, and its version goes along as `ETag`. */
  readonly etag?: true;
  /** The answer says where the new record is. */
  readonly location?: true;
  /** A list that comes in pages: the query has `after` and `limit`, the answer `items` and `next`. */
  readonly paged?: true;
  /** Reasons of capabilities for which it is refused, beside those that every such call shares. */
  readonly refusals?: readonly string[];
  /** A call that works where the examples before it have been made. */
  readonly example: {
    readonly params?: Readonly<Record<string, string>>;
    readonly query?: Readonly<Record<string, string>>;
    readonly body?: unknown;
  };
}

/** Describes a call. The name it is listed under in its capability's `api.ts` is its `operationId`. */
export function adminCall<const Description extends AdminCallDescription>(
  description: Description,
): Description {
  return description;
}

/** Whether a call makes something, so that to repeat it would make another: then it takes an `Idempotency-Key`. */
export function makesSomething({ status }: Pick<AdminCallDescription, 'status'>): boolean {
  return status === 201;
}

/** The calls of a capability, by `operationId`. */
export type AdminCalls = Readonly<Record<string, AdminCallDescription>>;

/** Data as they are shown: whoever reads them does not change them. */
export type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;

type InputOf<Schema> = Schema extends z.ZodType ? z.input<Schema> : undefined;
type OutputOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : Record<never, never>;

/** What the path of a call names. */
export type ParamsOf<D extends AdminCallDescription> = {
  readonly [Name in keyof D['params']]: OutputOf<D['params'][Name]>;
};
/** What its URL says after `?`, checked. */
export type QueryOf<D extends AdminCallDescription> = OutputOf<D['query']>;
/** Its body, as it is sent. */
export type BodyOf<D extends AdminCallDescription> = Immutable<InputOf<D['body']>>;
/** Its answer. */
export type AnswerOf<D extends AdminCallDescription> = Immutable<z.output<D['answer']>>;

/** An instant as it is shown (RFC 3339). */
export const shownInstant = z.iso.datetime();

/** What every record shows besides itself. */
export const shownRecord = {
  version: z.int().min(1).describe('Counts changes. It is the `ETag`, and what `If-Match` names.'),
  createdAt: shownInstant,
  updatedAt: shownInstant,
};

/** One page of a list, as it is shown. */
export function shownPage<Item extends z.ZodType>(item: Item) {
  return closedObject({
    items: z.array(item),
    next: z.string().optional().describe('What to send as `after` for the next page; absent on the last.'),
  });
}
