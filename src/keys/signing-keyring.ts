import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { JWK } from 'jose';
import type { Clock } from '../clock.ts';
import { StoreUnavailable } from '../errors.ts';
import type { SigningAlg } from '../oauth.ts';
import { signatureFromDer, signatureToDer } from './ecdsa-signature.ts';

import { SealBroken, type SealingKey } from './sealing.ts';
import { isPublished, nextChangeAt, type SigningKey, statusAt } from './signing-key.ts';
import type { SigningKeyStore } from './signing-key-store.ts';

/** The public keys as a document (RFC 7517 section 5). */
export interface PublicKeySet {
  readonly keys: readonly JWK[];
}

interface ReadyKey {
  readonly record: SigningKey;
  readonly publicKey: KeyObject;
  /** Absent where it was destroyed, or cannot be unsealed here. */
  readonly privateKey: KeyObject | undefined;
  /** Encoded, by the type of JWT: the same for each that the key signs. */
  readonly headers: Map<string, string>;
}

/**
 * The keys, ready to use: unsealed and prepared once, since parsing a key costs more than signing with it. `refresh` brings
 * them up to date; what it had brought stays in use until the next call.
 */
export class SigningKeyring {
  readonly #store: Pick<SigningKeyStore, 'listSigningKeys'>;
  readonly #sealing: SealingKey;
  readonly #now: Clock;
  readonly #onSealed: (error: SealBroken) => void;
  #source: readonly SigningKey[] | undefined;
  /** When keys become something else by themselves. */
  #changesAt = 0;
  #byId = new Map<string, ReadyKey>();
  #active = new Map<SigningAlg, ReadyKey>();
  #publicKeys: PublicKeySet = { keys: [] };

  /** @param onSealed told once of a key whose key-encryption key is not configured here: it verifies, but does not sign */
  constructor(
    store: Pick<SigningKeyStore, 'listSigningKeys'>,
    sealing: SealingKey,
    now: Clock,
    onSealed: (error: SealBroken) => void = () => undefined,
  ) {
    this.#store = store;
    this.#sealing = sealing;
    this.#now = now;
    this.#onSealed = onSealed;
  }

  /**
   * Takes over what has changed in the store, and what keys have become since. Cheap when nothing has changed: the store keeps
   * the list in memory.
   */
  async refresh(): Promise<void> {
    const source = await this.#store.listSigningKeys();
    const now = this.#now();
    if (source === this.#source && now < this.#changesAt) return;
    const published = source.filter(key => isPublished(statusAt(key, now)));
    this.#byId = new Map(published.map(record => [record.id, this.#prepare(record)]));
    this.#active = new Map();
    // Oldest first, so that all processes sign with the same one where two are active.
    for (const ready of this.#byId.values()) {
      const { alg } = ready.record;
      const isReady = ready.privateKey !== undefined && statusAt(ready.record, now) === 'active';
      if (isReady && !this.#active.has(alg)) this.#active.set(alg, ready);
    }
    const keys = published.map(({ publicJwk }) => publicJwk);
    // One object until it changes: the document is made from it once.
    if (!isDeepStrictEqual(keys, this.#publicKeys.keys)) this.#publicKeys = { keys };
    this.#changesAt = source.reduce(
      (soonest, key) => Math.min(soonest, nextChangeAt(key, now)),
      Number.POSITIVE_INFINITY,
    );
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
    const header = key.headers.get(type) ?? encode({ alg, typ: type, kid: keyId });
    key.headers.set(type, header);
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
        ? verify('sha256', data, key.publicKey, signatureToDer(signature))
        : verify(null, data, key.publicKey, signature);
    return isRight ? decode(claimsText) : undefined;
  }

  /** What was unsealed once stays in memory while the key is published: a token decided before a switch is signed after it. */
  #prepare(record: SigningKey): ReadyKey {
    const known = this.#byId.get(record.id);
    if (known?.privateKey) return { ...known, record };
    const publicKey =
      known?.publicKey ?? createPublicKey({ key: record.publicJwk as { kty: string }, format: 'jwk' });
    const headers = known?.headers ?? new Map();
    return { record, publicKey, privateKey: this.#unseal(record, known?.record), headers };
  }

  #unseal(record: SigningKey, before: SigningKey | undefined): KeyObject | undefined {
    const { sealedPrivateKey: sealed } = record;
    if (sealed === undefined) return undefined;
    try {
      const der = this.#sealing.unseal(sealed, record.id);
      return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    } catch (error) {
      // Another process may have a newer key-encryption key: what it signs has to verify here all the same.
      if (!(error instanceof SealBroken)) throw error;
      if (before?.sealedPrivateKey !== sealed) this.#onSealed(error);
      return undefined;
    }
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
