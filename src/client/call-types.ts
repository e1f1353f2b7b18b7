import type { z } from 'zod';
import type { AdminCallDescription, AnswerOf, BodyOf } from '../admin-api/index.ts';
import type { Pages } from './pages.ts';

/** How a query is given: what the URL takes, and numbers as numbers. */
type QueryArguments<Query> = Query extends z.ZodType
  ? {
      readonly [Name in keyof z.input<Query>]?:
        | z.input<Query>[Name]
        | (Name extends keyof z.output<Query> ? Extract<z.output<Query>[Name], number> : never);
    }
  : unknown;

type PathArguments<D extends AdminCallDescription> = {
  readonly [Name in keyof D['params']]: D['params'][Name] extends z.ZodType
    ? z.input<D['params'][Name]>
    : never;
};

/** What a call takes: what its path names, its query, its body, and the version that a change is made to. */
export type CallArguments<D extends AdminCallDescription> = PathArguments<D> &
  QueryArguments<D['query']> &
  (D['body'] extends z.ZodType
    ? D['bodyOptional'] extends true
      ? { readonly body?: BodyOf<D> }
      : { readonly body: BodyOf<D> }
    : unknown) &
  (D['ifMatch'] extends true
    ? {
        /** The `version` of the record as it was read: the change is refused when it has been changed since. */
        readonly version: number;
      }
    : D['mayMatch'] extends true
      ? {
          /** The `version` of the record as it was read: where it is given, the call is refused when that has changed since. */
          readonly version?: number;
        }
      : unknown);

/** What a call gives. A list gives its first page, or every record of all pages when it is iterated over. */
export type CallAnswer<D extends AdminCallDescription> = D['paged'] extends true
  ? AnswerOf<D> extends { readonly items: readonly (infer Item)[] }
    ? Pages<Item>
    : never
  : Promise<AnswerOf<D>>;

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** For a POST: the same key means the same call, however often it is sent. Made where it is not given. */
  readonly idempotencyKey?: string;
}

/** A call as a method. Where nothing has to be said, nothing is said. */
export type CallMethod<D extends AdminCallDescription> =
  Record<never, never> extends CallArguments<D>
    ? (args?: CallArguments<D>, options?: CallOptions) => CallAnswer<D>
    : (args: CallArguments<D>, options?: CallOptions) => CallAnswer<D>;
