import type { JWK } from 'jose';
import type { Handle, HandleId } from '../liveness.ts';

/** How a client was registered to prove itself. */
export type ClientCredential =
  | {
      readonly method: 'client_secret';
      /** SHA-256 of each secret that is accepted, base64url. Secrets are 256 random bits, so a plain digest suffices. */
      readonly secretDigests: readonly string[];
      /** When each was made, in the same order, in milliseconds since the epoch; absent where it is not known. */
      readonly secretsMadeAt?: readonly (number | null)[];
    }
  | {
      readonly method: 'private_key_jwt';
      /** Public keys. Each names its `alg`; an assertion signed with any other algorithm is refused (RFC 8725 section 3.1). */
      readonly keys: readonly JWK[];
    }
  | {
      readonly method: 'private_key_jwt';
      /** Where the client publishes its public keys (RFC 7591 section 2, `jwks_uri`). */
      readonly jwksUri: string;
    }
  /** A public client (RFC 6749 section 2.1): it proves nothing, and gets nothing but what a person lets it have. */
  | { readonly method: 'none' };

/** The algorithms a client may sign its assertions with. */
const ASSERTION_ALGS = ['ES256', 'EdDSA', 'PS256'] as const;
export type AssertionAlg = (typeof ASSERTION_ALGS)[number];

/** How an assertion may name them. EdDSA with an Ed25519 key has a name of its own too (RFC 9864), which newer libraries send. */
export const ASSERTION_ALG_NAMES = [...ASSERTION_ALGS, 'Ed25519'] as const;

/** What a client is behind the protocol: an agent asks for tokens, a resource server asks about them. */
export type ClientKind = 'agent' | 'resource';

/** The protocol's view of something that authenticates (RFC 6749 section 2). */
export interface Client {
  readonly clientId: string;
  readonly kind: ClientKind;
  /** The agent's or the resource server's identifier. */
  readonly principalId: HandleId;
  /** What it lives by, at the epoch that was read: of an application that describes itself, the template's that admits it. */
  readonly handle: Handle;
  readonly credential: ClientCredential;
  /** False while the principal is suspended, retired, expired or disabled: its credentials then prove nothing. */
  readonly enabled: boolean;
  /** Where the browser may be sent back to after authorization; none for a client that never needs one. */
  readonly redirectUris?: readonly string[];
  /** It gets a refresh token without asking for one. */
  readonly refreshTokens?: 'always' | undefined;
}

/** Finds the client behind an identifier, among agents and resource servers. */
export interface ClientDirectory {
  /**
   * The client as every process knows it when asked.
   *
   * @throws {StoreUnavailable} when what others have committed cannot be told
   */
  findClient(clientId: string, nowMs: number): Promise<Client | undefined>;
}
