import { createSecretKey, type KeyObject } from 'node:crypto';
import { whyGuessable } from './guessable.ts';
import { Unfit } from './unfit.ts';

const BYTES = 32;

/**
 * Reads a key-encryption key from the environment, from a secret file, or from the file that the first start made: the same
 * rules hold for all three.
 *
 * @param sent 64 hexadecimal digits, or the 43 characters of 32 bytes in base64url (RFC 4648 section 5) without padding
 * @throws {Unfit} with the reason, never with any part of the key
 */
export function parseKeyEncryptionKey(sent: string): KeyObject {
  const bytes = decode(sent);
  if (bytes === undefined) throw new Unfit(`it does not spell ${BYTES} bytes`);
  const why = whyGuessable(bytes);
  if (why !== undefined) throw new Unfit(why);
  if (bytes.every(byte => byte >= 0x20 && byte < 0x7f))
    throw new Unfit('its bytes are text, so it is not random');
  return createSecretKey(bytes);
}

function decode(sent: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(sent)) return Buffer.from(sent, 'hex');
  if (!/^[A-Za-z0-9_-]{43}$/.test(sent)) return undefined;
  const bytes = Buffer.from(sent, 'base64url');
  // The last character carries four bits; another one in its place would be a second spelling of the same key.
  return bytes.toString('base64url') === sent ? bytes : undefined;
}
