import { hash, timingSafeEqual } from 'node:crypto';
import { fillRandom } from '../ids.ts';

/** 256 bits, in characters that survive every form- and URL-encoding: SDKs differ in how they encode Basic credentials. */
export function newClientSecret(): string {
  const bytes = Buffer.allocUnsafe(32);
  fillRandom(bytes);
  return bytes.toString('base64url');
}

/** What is stored of a secret. It is 256 random bits, so there is nothing to guess and no need for a slow hash. */
export function digestSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/**
 * Whether a secret is one of those registered. Every digest is compared in full, so the time taken tells nothing about which
 * matched or how far (I15).
 */
export function isRegisteredSecret(secret: string, digests: readonly string[]): boolean {
  const presented = Buffer.from(digestSecret(secret));
  let registered = false;
  for (const digest of digests) {
    const expected = Buffer.from(digest);
    if (expected.length === presented.length && timingSafeEqual(expected, presented)) registered = true;
  }
  return registered;
}
