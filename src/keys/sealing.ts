import { createCipheriv, createDecipheriv, createHash, type KeyObject, randomBytes } from 'node:crypto';

/** Seals what must not stand in the store in clear (I11). A key management service can stand behind it. */
export interface SealingKey {
  /** @param context what the text belongs to: it can be unsealed only there */
  seal(plaintext: Buffer, context: string): string;
  /** @throws {SealBroken} */
  unseal(sealed: string, context: string): Buffer;
  /** Whether the text is sealed with the key that `seal` uses. */
  isCurrent(sealed: string): boolean;
  /** The key that `seal` uses, by its name. */
  readonly keyName: string;
}

/** A sealed text was made with another key, belongs somewhere else, or has been changed. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

const FORMAT = 'v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The name of a key-encryption key: it tells keys apart and says nothing of them. */
export function keyEncryptionKeyName(key: KeyObject): string {
  return createHash('sha256')
    .update('countersign sealing key')
    .update(key.export())
    .digest('base64url')
    .slice(0, 11);
}

/** The key-encryption key that a text is sealed with, by its name. */
export function sealedWith(sealed: string): string {
  return sealed.split('.')[1] ?? '';
}

/**
 * Seals with AES-256-GCM under a key-encryption key. The text names the key, so that after a change of keys it is known which
 * one to use; its context is authenticated and not stored.
 *
 * @param current 32 bytes: seals and unseals
 * @param older   only unseal what was sealed with them, until it has been sealed anew
 */
export function sealingKey(current: KeyObject, older: readonly KeyObject[] = []): SealingKey {
  const keyName = keyEncryptionKeyName(current);
  const keys = new Map([...older, current].map(key => [keyEncryptionKeyName(key), key]));
  return {
    keyName,
    isCurrent: sealed => sealedWith(sealed) === keyName,
    seal(plaintext, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', current, nonce).setAAD(aad(context));
      const body = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
      return `${FORMAT}.${keyName}.${body.toString('base64url')}`;
    },
    unseal(sealed, context) {
      const [format, name = '', text = ''] = sealed.split('.');
      if (format !== FORMAT) throw new SealBroken(`unknown format of a sealed text: ${format}`);
      const key = keys.get(name);
      if (!key) {
        throw new SealBroken(
          `${context} is sealed with the key-encryption key ${name}, which is not configured; configured: ${[...keys.keys()].join(', ')}`,
        );
      }
      const body = Buffer.from(text, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(0, NONCE_BYTES))
        .setAAD(aad(context))
        .setAuthTag(body.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      } catch (cause) {
        throw new SealBroken('a sealed text was changed, or belongs to another record', { cause });
      }
    },
  };
}

function aad(context: string): Buffer {
  return Buffer.from(`${FORMAT} ${context}`);
}
