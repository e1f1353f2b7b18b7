import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { Refused } from '../errors.ts';
import { shown } from '../input/index.ts';

/**
 * - `idempotency-key-malformed`: the header is not one key
 * - `idempotency-key-reused`: the key was used for the same call with another body
 * - `idempotency-key-in-progress`: this process is just answering the first request with this key
 */
export type IdempotencyRefusal =
  | 'idempotency-key-malformed'
  | 'idempotency-key-reused'
  | 'idempotency-key-in-progress';

/** How long an answer is kept: longer than anybody retries, and longer than a deployment that went wrong overnight. */
export const ANSWER_KEPT_MS = 24 * 3_600_000;

const MAX_KEY_CHARACTERS = 200;
/** A string of RFC 8941 section 3.3.3, as the draft asks, or the same text without quotes, as most clients send it. */
const KEY = /^(?:"([\x20\x21\x23-\x5b\x5d-\x7e]+)"|([\w.:~+/=-]+))$/;

/** A request that may be sent again, by the key that its client gave it. */
export interface IdempotentRequest {
  /** What its answer is kept under: SHA-256 of client, method, path and key, base64url. */
  readonly id: string;
  /** SHA-256 of its body, base64url. JSON is one body however it is spelt (RFC 8785). */
  readonly requestDigest: string;
  /** What the client gave: with the key-encryption key it opens the answer, and it is stored nowhere. */
  readonly key: string;
}

/**
 * Reads the `Idempotency-Key` of a request (draft-ietf-httpapi-idempotency-key-header-07). A key belongs to the client that uses
 * it, and to one call: nobody meets another one's.
 *
 * @param header the header as it came; undefined where the client gives no key
 * @throws {Refused<IdempotencyRefusal>} `idempotency-key-malformed`
 */
export function idempotentRequest(
  header: string | undefined,
  request: {
    readonly client: string;
    readonly method: string;
    readonly path: string;
    readonly body: unknown;
  },
): IdempotentRequest | undefined {
  if (header === undefined) return undefined;
  const [, quoted, plain] = KEY.exec(header) ?? [];
  const key = quoted ?? plain;
  if (key === undefined || key.length > MAX_KEY_CHARACTERS) {
    throw new Refused<IdempotencyRefusal>('idempotency-key-malformed', {
      parameter: 'Idempotency-Key',
      sent: shown(header),
      permitted: [
        `one key of 1 to ${MAX_KEY_CHARACTERS} characters, like "8e03978e-40d5-43dd-bc93-6894a57f9324"`,
      ],
    });
  }
  const { client, method, path, body } = request;
  return {
    id: digestOf([client, method, path, key]),
    requestDigest: digestOf(body ?? null),
    key,
  };
}

function digestOf(value: unknown): string {
  return hash('sha256', canonicalize(value) ?? '', 'base64url');
}
