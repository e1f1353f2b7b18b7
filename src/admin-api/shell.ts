import type { IfMatch, ManagedRecord } from '../managed-record.ts';
import type { AuthorisedOrigin } from '../origin.ts';
import type { AdminCallDescription, AnswerOf, BodyOf, ParamsOf, QueryOf } from './call.ts';

/**
 * What the routes of the admin API are given by the HTTP shell. It stands here, between the capabilities that have routes and
 * `http/`, which makes it, because neither may import the other.
 */

/** An authorised call, checked against its description. */
export interface AdminCall<D extends AdminCallDescription> {
  /** The request, the client it is made by, what that client's token allows, and what it dies with. */
  readonly origin: AuthorisedOrigin;
  /** What the path names. */
  readonly params: ParamsOf<D>;
  readonly query: QueryOf<D>;
  /** As it was sent, and known to fit: the use case reads it by the same schema, wherever it comes from. */
  readonly body: BodyOf<D>;
  /** The versions that the record may be at (`If-Match`): to be asked of the record in the commit that changes it. */
  readonly ifMatch: D['ifMatch'] extends true
    ? IfMatch
    : D['mayMatch'] extends true
      ? IfMatch | undefined
      : undefined;
  /**
   * Of a call that makes something: gives a port whose commit keeps the answer along, so that the same request with the same
   * `Idempotency-Key` makes nothing more and gets the same answer. What the call makes must be committed through it.
   *
   * @param answerTo the answer to the records that are written, whole, with the secret that it shows; may be called more than once
   */
  readonly keeping: D['status'] extends 201
    ? <Port extends object, R extends ManagedRecord>(
        port: Port,
        answerTo: (records: readonly R[]) => AdminAnswer<D>,
      ) => Port
    : undefined;
}

export type AdminAnswer<D extends AdminCallDescription> = {
  readonly body: AnswerOf<D>;
} & (D['etag'] extends true
  ? {
      /** The version of the record in the body, sent as `ETag`. */
      readonly version: number;
    }
  : unknown) &
  (D['location'] extends true
    ? {
        /** Where the new record is, below the API's base. */
        readonly location: string;
      }
    : unknown);

export interface AdminShell {
  /**
   * Binds a call to what it does. The shell authorises for the call's scope, checks path, query, `If-Match` and body, checks that
   * the answer is what the description says, sends it, and records every refusal, so that no route can forget to.
   */
  route<const D extends AdminCallDescription>(
    description: D,
    handle: (call: AdminCall<D>) => Promise<AdminAnswer<D>>,
  ): void;
}
