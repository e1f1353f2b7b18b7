import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { sealingKey } from '../keys/index.ts';
import type { IdempotentRequest } from './idempotent-request.ts';

/** Seals the answer to one request, and opens it again for who sends that request again. */
export interface AnswerSeal {
  seal(answer: string): string;
  /** @throws {SealBroken} when the key-encryption key that it was sealed under is not configured any more */
  open(sealed: string): string;
}

/**
 * The seal of the answer to a request: by HKDF (RFC 5869) over the key-encryption key, salted with the key that the client gave. The
 * answer may show a secret, which is stored nowhere in clear; whoever has the store and the key-encryption key still needs what only
 * the client knows (I11). The seal is bound to the request.
 *
 * @param kek   the key-encryption key
 * @param older what may have been used before it: a change of keys must not make a request anew
 */
export function answerSeal(
  { kek, older }: { readonly kek: KeyObject; readonly older: readonly KeyObject[] },
  { id, requestDigest, key }: IdempotentRequest,
): AnswerSeal {
  const derive = (from: KeyObject): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', from.export(), key, 'countersign kept answers', 32)));
  const sealing = sealingKey(derive(kek), older.map(derive));
  const context = `kept answer ${id} ${requestDigest}`;
  return {
    seal: answer => sealing.seal(Buffer.from(answer), context),
    open: sealed => sealing.unseal(sealed, context).toString(),
  };
}
