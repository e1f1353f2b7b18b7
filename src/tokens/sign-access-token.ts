import type { SigningKeyring } from '../keys/index.ts';
import type { SigningAlg } from '../oauth.ts';
import { isTokenId } from './access-token-value.ts';
import type { TokenId } from './token.ts';

/** The type of a JWT access token, so that no other JWT of ours passes for one (RFC 9068 section 2.1, RFC 8725 section 3.11). */
const ACCESS_TOKEN_TYPE = 'at+jwt';

/** Signs and recognises JWT access tokens (RFC 9068). */
export class AccessTokenSigner {
  readonly #keyring: SigningKeyring;
  readonly #issuer: string;

  constructor(keyring: SigningKeyring, issuer: string) {
    this.#keyring = keyring;
    this.#issuer = issuer;
  }

  /** The key that signs with an algorithm now; undefined where there is none. */
  async activeKey(alg: SigningAlg): Promise<{ readonly id: string; readonly epoch: number } | undefined> {
    await this.#keyring.refresh();
    return this.#keyring.activeKey(alg);
  }

  /**
   * Signs an access token.
   *
   * @param keyId the key that the decision to issue has read
   * @param claims the claims of RFC 9068 section 2.2
   */
  sign(keyId: string, claims: Readonly<Record<string, unknown>>): string {
    return this.#keyring.signJwt(keyId, ACCESS_TOKEN_TYPE, claims);
  }

  /** Signs a JWT that is no access token: its type says what else it is, and `verify` does not know it. */
  signAs(type: 'token-introspection+jwt', keyId: string, claims: Readonly<Record<string, unknown>>): string {
    return this.#keyring.signJwt(keyId, type, claims);
  }

  /**
   * The `jti` of a JWT access token of this issuer with a right signature. Whether it lives is for the store and `isLive` to
   * say: every token is recorded, whatever it looks like.
   */
  async verify(value: string): Promise<TokenId | undefined> {
    await this.#keyring.refresh();
    const { iss, jti } = this.#keyring.verifyJwt(value, ACCESS_TOKEN_TYPE) ?? {};
    return iss === this.#issuer && typeof jti === 'string' && isTokenId(jti) ? jti : undefined;
  }
}
