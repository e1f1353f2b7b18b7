import type { CryptoKey, JWK, KeyObject } from 'jose';
import type { AdminScope } from '../admin-api/index.ts';

/** How the client proves who it is: with a secret or a key, for which it gets tokens, or with a token that somebody else got. */
export type ClientAuthentication =
  | { readonly clientId: string; readonly clientSecret: string }
  | {
      readonly clientId: string;
      readonly privateKey: CryptoKey | KeyObject | JWK;
      /** With what the key signs; the `alg` of a JWK, or ES256, where absent. */
      readonly alg?: 'ES256' | 'EdDSA' | 'PS256';
    }
  | { readonly accessToken: string };

export type ClientOptions = ClientAuthentication & {
  /** The issuer identifier of the server, as in its metadata. */
  readonly issuer: string | URL;
  /**
   * What every token may do, in one token. Where absent, each call is made with a token for the one scope that it needs. Whoever
   * registers an agent that may use this API itself has to hold, in one token, what it gives away.
   */
  readonly scopes?: readonly AdminScope[];
  /** How requests are made; the global `fetch` where absent. */
  readonly fetch?: typeof fetch;
  /** How long one request may take, in milliseconds; 30 seconds where absent. */
  readonly timeoutMs?: number;
};
