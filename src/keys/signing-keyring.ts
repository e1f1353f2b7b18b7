import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { JWK } from 'jose';
import { StoreUnavailable } from '../errors.ts';
import type { SigningAlg } from '../oauth.ts';
import { signatureFromDer } from './ecdsa-signature.ts';
import type { SealingKey } from './sealing.ts';
import type { SigningKey } from './signing-key.ts';
import type { SigningKeyStore } from './signing-key-store.ts';

/** The public keys as a document (RFC 7517 section 5). */
export interface PublicKeySet {
  readonly keys: readonly JWK[];
}

interface ReadyKey {
  readonly record: SigningKey;
  readonly publicKey: KeyObject;
  /** Present for keys that sign now. */
  readonly privateKey: KeyObject | undefined;
}

/**
 * The keys, ready to use: unsealed and prepared once, since parsing a key costs more than signing with it. `refresh` brings
 * them up to date; what it had brought stays in use until the next call.
 */
export class SigningKeyring {
  readonly #store: Pick<SigningKeyStore, 'listSigningKeys'>;
  readonly #sealing: SealingKey;
  #source: readonly SigningKey[] | undefined;
  #byId = new Map<string, ReadyKey>();
  #active = new Map<SigningAlg, ReadyKey>();
  #publicKeys: PublicKeySet = { keys: [] };

  constructor(store: Pick<SigningKeyStore, 'listSigningKeys'>, sealing: SealingKey) {
    this.#store = store;
    this.#sealing = sealing;
  }

  /** Takes over what has changed in the store. Cheap when nothing has: the store keeps the list in memory. */
  async refresh(): Promise<void> {
    const source = await this.#store.listSigningKeys();
    if (source === this.#source) return;
    const living = source.filter(key => key.status !== 'killed');
    this.#byId = new Map(
      living.map(record => [record.id, this.#byId.get(record.id) ?? this.#prepare(record)]),
    );
    this.#active = new Map();
    // Oldest first, so that all processes sign with the same one where two are active.
    for (const record of living) {
      const ready = this.#byId.get(record.id);
      if (ready && record.status === 'active' && !this.#active.has(record.alg))
        this.#active.set(record.alg, ready);
    }
    this.#publicKeys = { keys: living.map(({ publicJwk }) => publicJwk) };
    this.#source = source;
  }

  /** What verifies our tokens now, in one object until it changes. */
  get publicKeys(): PublicKeySet {
    return this.#publicKeys;
  }

  activeKey(alg: SigningAlg): { readonly id: string; readonly epoch: number } | undefined {
    return this.#active.get(alg)?.record;
  }

  /**
   * Signs a JWT (RFC 7515 section 7.1).
   *
   * @param keyId the key to sign with: the one that the token's lineage names
   * @throws {StoreUnavailable} when the key has been withdrawn since it was chosen
   */
  signJwt(keyId: string, type: string, claims: Readonly<Record<string, unknown>>): string {
    const key = this.#byId.get(keyId);
    if (!key?.privateKey) throw new StoreUnavailable(`the signing key ${keyId} signs no longer`);
    const { alg } = key.record;
    const header = encode({ alg, typ: type, kid: keyId });
    const input = `${header}.${encode(claims)}`;
    const data = Buffer.from(input);
    // A bare key: with options beside it the same signature costs twice as much.
    const signature =
      alg === 'ES256'
        ? signatureFromDer(sign('sha256', data, key.privateKey))
        : sign(null, data, key.privateKey);
    return `${input}.${signature.toString('base64url')}`;
  }

  /**
   * The claims of a JWT that one of our keys signed, and that is of the type expected (RFC 8725 section 3.11). Nothing is said
   * of whether it still lives.
   */
  verifyJwt(jwt: string, type: string): Readonly<Record<string, unknown>> | undefined {
    const [headerText = '', claimsText = '', signatureText = '', ...rest] = jwt.split('.');
    if (rest.length > 0 || jwt.length > MAX_JWT_CHARACTERS) return undefined;
    const header = decode(headerText);
    const { alg, typ, kid } = header ?? {};
    const key = typeof kid === 'string' ? this.#byId.get(kid) : undefined;
    // Strict on the header: three members are ours, and any other would be somebody else's rule.
    if (!key || typ !== type || alg !== key.record.alg || Object.keys(header ?? {}).length !== 3)
      return undefined;
    const data = Buffer.from(`${headerText}.${claimsText}`);
    const signature = Buffer.from(signatureText, 'base64url');
    // One spelling of a signature only: a second one would be a second token.
    if (signature.length !== 64 || signature.toString('base64url') !== signatureText) return undefined;
    const isRight =
      alg === 'ES256'
        ? verify('sha256', data, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, signature)
        : verify(null, data, key.publicKey, signature);
    return isRight ? decode(claimsText) : undefined;
  }

  #prepare(record: SigningKey): ReadyKey {
    const publicKey = createPublicKey({ key: record.publicJwk as { kty: string }, format: 'jwk' });
    if (record.status === 'retired') return { record, publicKey, privateKey: undefined };
    const der = this.#sealing.unseal(record.sealedPrivateKey, record.id);
    return { record, publicKey, privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) };
  }
}

const MAX_JWT_CHARACTERS = 8_192;

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(segment: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
