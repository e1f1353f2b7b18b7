import type { CommitPort } from '../audit/index.ts';
import type { Epochs, HandleId } from '../liveness.ts';
import type { TokenId, TokenRecord } from './token.ts';

export type TokenChange =
  /** Conflict: `already-exists`. */
  | { readonly kind: 'insert-token'; readonly token: TokenRecord }
  /** Raises the epoch of one token: it and its descendants are dead. Every process is told in commit order. */
  | {
      readonly kind: 'cut-off';
      readonly id: HandleId;
      readonly epoch: number;
      /** When nothing can live any more that carries the handle, in milliseconds since the epoch. */
      readonly forgetAt: number;
    }
  /**
   * Uses up a single-use value: an assertion's `jti`, a DPoP proof's. Conflict: `already-used`, also where it may have been used
   * before the last restore from a backup. Remembered until `expiresAt`.
   */
  | {
      readonly kind: 'use-once';
      /** What the value is single-use for, with everything that makes it unique; stored as a digest. */
      readonly value: string;
      /** The earliest instant at which it would have been accepted, in milliseconds since the epoch. */
      readonly usableFrom: number;
      /** Milliseconds since the epoch. */
      readonly expiresAt: number;
    };

export interface TokenStore extends CommitPort<TokenChange> {
  /**
   * Finds a token together with what is known of cutoffs at that very moment: every cutoff committed by any process before this
   * call began is either in `epochs` when the promise resolves, or the promise is rejected.
   *
   * @throws {StoreUnavailable} also when the store cannot tell whether it knows every cutoff of the last second (I7)
   */
  findToken(jti: TokenId): Promise<TokenRecord | undefined>;
  /**
   * The tokens issued to one client that have not expired, newest first.
   *
   * @param after the last token of the page before; from the newest where absent
   */
  listTokens(clientId: string, limit: number, after?: TokenId): Promise<readonly TokenRecord[]>;
  readonly epochs: Epochs;
  /**
   * Resolves when this process knows every change to agents, people, resource servers and keys, and every cutoff, that was
   * committed before the call.
   *
   * @throws {StoreUnavailable} when it cannot tell
   */
  fresh(): Promise<void>;
}
