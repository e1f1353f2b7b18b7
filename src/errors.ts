/** What may be told to the caller about a refusal besides its reason: never a secret. */
export interface RefusalDetail {
  /** The parameter or field at fault. */
  readonly parameter?: string;
  /** The value that was sent, where it is no secret. */
  readonly sent?: string;
  /** What would have been accepted. */
  readonly permitted?: readonly string[];
  /** One sentence more, when the reason alone does not tell what to do. */
  readonly hint?: string;
  /** When it is worth asking again, where that is known. */
  readonly retryAfterSeconds?: number;
}

/**
 * A capability says no, for one reason out of its closed set. It knows nothing of HTTP: tables at the edges turn a reason into
 * a status and words (`http/oauth-error.ts`, `http/problem.ts`).
 */
export class Refused<Reason extends string = string> extends Error {
  override readonly name = 'Refused';

  readonly reason: Reason;
  readonly detail: RefusalDetail;
  /** Who the caller says it is, unproved: for the reference of the answer, and never told. */
  readonly claimedClient: string | undefined;
  readonly #members: Readonly<Record<string, string | number>>;

  constructor(
    reason: Reason,
    detail: RefusalDetail = {},
    options?: ErrorOptions & {
      readonly claimedClient?: string;
      readonly members?: Readonly<Record<string, string | number>>;
    },
  ) {
    // The reason tells where it was thrown. A stack costs more than all else of a refusal, and anybody can cause one.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(reason, options);
    Error.stackTraceLimit = stackTraceLimit;
    this.reason = reason;
    this.detail = detail;
    this.claimedClient = options?.claimedClient;
    this.#members = options?.members ?? {};
  }

  /** What an answer to a machine has besides. It may be a secret of the caller's, so that nothing that writes an error down finds it. */
  get members(): Readonly<Record<string, string | number>> {
    return this.#members;
  }
}

/** The store cannot answer, or cannot tell whether what it knows is fresh: nothing is granted (I8). */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
