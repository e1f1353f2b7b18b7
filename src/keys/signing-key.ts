import type { JWK } from 'jose';
import type { ManagedRecord } from '../audit/index.ts';
import type { SigningAlg } from '../oauth.ts';

/**
 * A key that signs access tokens. Published in the JWKS from `published` to `retired`; only `active` ones sign; a `killed` one
 * is gone from the JWKS and every token signed with it is dead.
 */
export interface SigningKey extends ManagedRecord {
  /** Also the `kid`. */
  readonly id: `key_${string}`;
  readonly alg: SigningAlg;
  readonly status: 'published' | 'active' | 'retired' | 'killed';
  readonly publicJwk: JWK;
  /** The private key (PKCS #8, DER), sealed with the key-encryption key; additional data is the key's id. */
  readonly sealedPrivateKey: string;
}
