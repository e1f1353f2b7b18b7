/** The answer to a creation, kept so that the same request gets the same answer and nothing is made twice. */
export interface KeptAnswer {
  /** SHA-256 of the client, the method, the path and the key, base64url. */
  readonly id: string;
  /** SHA-256 of the body, base64url. */
  readonly requestDigest: string;
  /** From then on the key is free again. Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** In JSON, and sealed: it may show a secret (I11); see `sealed-answer.ts`. */
  readonly answer: string;
}

/**
 * Keeps an answer in the very commit that makes what it tells of. Conflict: `already-used`, when another answer is kept under
 * this key and has not expired.
 */
export interface KeepAnswer {
  readonly kind: 'keep-answer';
  readonly kept: KeptAnswer;
  /** When it is decided whether an earlier answer has expired, in milliseconds since the epoch. */
  readonly now: number;
}

export interface KeptAnswerStore {
  /** The answer that is kept, until it is swept: expired ones may be found. Sees whatever was committed before the call. */
  findKeptAnswer(id: string): Promise<KeptAnswer | undefined>;
}
