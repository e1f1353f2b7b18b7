import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import type { Origin } from './audit/index.ts';

/**
 * What the routes of the admin API are given by the HTTP shell. It stands here, between the capabilities that have routes and
 * `http/`, which makes it, because neither may import the other.
 */

/** The scopes of our own API; `resources/admin-api.ts` has them in words. */
export const ADMIN_SCOPES = ['read', 'agents', 'kill', 'keys', 'audit'] as const;
export type AdminScope = (typeof ADMIN_SCOPES)[number];

/** An authorised call. */
export interface AdminCall<Query> {
  readonly ctx: Context;
  /** The request, the client it is made by, and what that client's token allows. */
  readonly origin: Origin;
  readonly query: Query;
  /** The record that the path names; empty where it names none. */
  readonly id: string;
  /** Reads the JSON body. Nothing is known of it but that it is JSON: the use case says what it has to be. */
  readJson(): Promise<unknown>;
  /** The version that the caller has read (`If-Match`). Refused when the caller does not say. */
  ifVersion(): number;
}

export interface AdminAnswer {
  /** 200 where absent. */
  readonly status?: number;
  readonly body: object;
  /** The version of the record in the body, sent as `ETag`. */
  readonly version?: number;
  /** Where a new record is, below the API's base. */
  readonly location?: string;
}

export interface AdminShell {
  /**
   * Makes an endpoint: authorises for one scope, checks the query, calls, answers, and records every refusal, so that no route
   * can forget to.
   *
   * @param query what the URL may carry after `?`; nothing where absent
   */
  endpoint<Schema extends z.ZodType = z.ZodType<Record<never, never>>>(
    scope: AdminScope,
    handle: (call: AdminCall<z.output<Schema>>) => Promise<AdminAnswer>,
    query?: Schema,
  ): Middleware;
}
