import type { SigningAlg } from '../oauth.ts';
import type { TokenId } from './token.ts';

/** Signs and recognises JWT access tokens (RFC 9068). */
export interface AccessTokenSigner {
  /** The key that signs with an algorithm now; undefined where there is none. */
  activeKey(alg: SigningAlg): { readonly id: string; readonly epoch: number } | undefined;
  /** @throws when there is no active key for the algorithm */
  sign(alg: SigningAlg, claims: Readonly<Record<string, unknown>>): string;
  /**
   * The `jti` of a JWT access token with a right signature by a key of ours and `typ` `at+jwt` (RFC 8725 section 3.11). Whether
   * it lives is for the store and `isLive` to say.
   */
  verify(value: string): TokenId | undefined;
}
