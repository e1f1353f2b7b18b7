import type { Mortal } from '../liveness.ts';

/** `tok_` and 32 bytes in base64url: the key under which a token is stored, its `jti`, and its handle. */
export type TokenId = `tok_${string}`;

/** What is stored of an access token, opaque or JWT. Its value is not. */
export interface TokenRecord extends Mortal {
  readonly jti: TokenId;
  readonly clientId: string;
  /** The id of the resource server that is its audience. */
  readonly resourceId: string;
  /** The introspection response while it lives (RFC 7662 section 2.2), as the JSON text that is sent. */
  readonly answer: string;
}
