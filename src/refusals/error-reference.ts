import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';

/** Why an answer is an error: who says so, and for which of their reasons. */
export type ErrorReason = `${string}/${string}`;

/** What the reference of an error answer says. */
export interface OpenedReference {
  readonly requestId: string;
  /** Undefined when another version of this program made it, for a reason that this one does not know. */
  readonly reason: ErrorReason | undefined;
  /** The client that the caller said it was; nobody has proved it. */
  readonly claimedClient?: string;
}

const PREFIX = 'err_';
const REQUEST_BYTES = 16;
const REASON_BYTES = 4;
const CLIENT_BYTES = 16;
/** Reason, kind of client, client: as long for every reason, so that the length tells nothing. */
const SEALED_BYTES = REASON_BYTES + 1 + CLIENT_BYTES;
/** NIST SP 800-38D section 5.2.1.2. */
const TAG_BYTES = 12;
const TOTAL_BYTES = REQUEST_BYTES + SEALED_BYTES + TAG_BYTES;
/** The first bytes of the request's identifier are time alone; the rest, with 80 random bits, is never the same twice. */
const NONCE_START = 4;

const REFERENCE = /^err_([A-Za-z0-9_-]{66})$/;
const CLIENT = /^(agt|res)_([0-9a-f]{32})$/;
const CLIENT_KINDS = ['agt', 'res'] as const;

/**
 * References of error answers. A reference carries what is needed to find the cause again, sealed with AES-256-GCM, so that
 * nothing has to be stored: nobody can fill the disk with refusals, and none is forgotten. The request's identifier, by which the
 * log and the trail are searched, stands in it in clear; the reason does not (I15).
 */
export class ErrorReferences {
  readonly #current: KeyObject;
  readonly #keys: readonly KeyObject[];
  readonly #codes: ReadonlyMap<ErrorReason, number>;
  readonly #reasons: ReadonlyMap<number, ErrorReason>;
  /** Filled and sealed without a pause in between, so one is enough. */
  readonly #plain = Buffer.alloc(SEALED_BYTES);

  /**
   * @param current key-encryption key, of which a key for this purpose is derived
   * @param older   key-encryption keys before it: references that were made then still open
   */
  constructor(current: KeyObject, older: readonly KeyObject[], reasons: Iterable<ErrorReason>) {
    this.#current = referenceKey(current);
    this.#keys = [this.#current, ...older.map(referenceKey)];
    this.#codes = new Map([...reasons].map(reason => [reason, reasonCode(reason)]));
    this.#reasons = new Map([...this.#codes].map(([reason, code]) => [code, reason]));
    if (this.#reasons.size !== this.#codes.size) throw new Error('two reasons have the same code');
  }

  /**
   * The reference of one answer. A request has one at most.
   *
   * @param claimedClient what the caller said it was, where somebody has to be told; dropped where it is no identifier of ours
   */
  make(requestId: string, reason: ErrorReason, claimedClient?: string): string {
    const plain = this.#plain.fill(0);
    plain.writeUInt32BE(this.#codes.get(reason) ?? 0, 0);
    const client = claimedClient === undefined ? null : CLIENT.exec(claimedClient);
    if (client) {
      plain[REASON_BYTES] = 1 + CLIENT_KINDS.indexOf(client[1] as 'agt');
      plain.write(client[2] ?? '', REASON_BYTES + 1, 'hex');
    }
    const out = Buffer.alloc(TOTAL_BYTES);
    out.write(requestId.slice('req_'.length), 0, REQUEST_BYTES, 'hex');
    const cipher = createCipheriv('aes-256-gcm', this.#current, out.subarray(NONCE_START, REQUEST_BYTES), {
      authTagLength: TAG_BYTES,
    }).setAAD(out.subarray(0, NONCE_START));
    cipher.update(plain).copy(out, REQUEST_BYTES);
    cipher.final();
    cipher.getAuthTag().copy(out, REQUEST_BYTES + SEALED_BYTES);
    return PREFIX + out.toString('base64url');
  }

  /** @returns undefined for what is no reference of ours, or was changed, or whose key-encryption key is gone */
  open(reference: string): OpenedReference | undefined {
    const bytes = Buffer.from(REFERENCE.exec(reference)?.[1] ?? '', 'base64url');
    if (bytes.length !== TOTAL_BYTES || PREFIX + bytes.toString('base64url') !== reference) return undefined;
    for (const key of this.#keys) {
      const plain = unseal(key, bytes);
      if (plain) return this.#read(bytes, plain);
    }
    return undefined;
  }

  #read(bytes: Buffer, plain: Buffer): OpenedReference {
    const kind = CLIENT_KINDS[(plain[REASON_BYTES] ?? 0) - 1];
    return {
      requestId: `req_${bytes.toString('hex', 0, REQUEST_BYTES)}`,
      reason: this.#reasons.get(plain.readUInt32BE(0)),
      ...(kind && { claimedClient: `${kind}_${plain.toString('hex', REASON_BYTES + 1)}` }),
    };
  }
}

/** The request that a reference belongs to, which needs no key to read; undefined for what cannot be one. */
export function referencedRequest(reference: string): string | undefined {
  const bytes = Buffer.from(REFERENCE.exec(reference)?.[1] ?? '', 'base64url');
  return bytes.length === TOTAL_BYTES ? `req_${bytes.toString('hex', 0, REQUEST_BYTES)}` : undefined;
}

function unseal(key: KeyObject, bytes: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(NONCE_START, REQUEST_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(bytes.subarray(0, NONCE_START))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(REQUEST_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function referenceKey(key: KeyObject): KeyObject {
  return createSecretKey(
    Buffer.from(hkdfSync('sha256', key.export(), '', 'countersign error references v1', 32)),
  );
}

/** By name, not by position: a reference is read by later versions, whose tables have other reasons in between. */
function reasonCode(reason: ErrorReason): number {
  return hash('sha256', reason, 'buffer').readUInt32BE(0);
}
