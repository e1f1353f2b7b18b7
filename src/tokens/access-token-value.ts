import { hash } from 'node:crypto';
import { toSeconds } from '../clock.ts';
import { fillRandom, writeTimePrefix } from '../ids.ts';
import type { TokenId } from './token.ts';

const PREFIX = 'cs_at_';
const TIME_BYTES = 6;
const SECRET_BYTES = 30;
const KEY_BYTES = 32;
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const OPAQUE = /^cs_at_[A-Za-z0-9_-]{48}$/;
const TOKEN_ID = /^tok_[A-Za-z0-9_-]{43}$/;

/**
 * A new opaque access token: six bytes of its time of issue, then 240 random bits. The prefix lets secret scanners find it.
 * The time is in the text so that tokens are stored in order of age under a key that the value alone gives.
 *
 * @param nowMs milliseconds since the epoch
 */
export function newOpaqueToken(nowMs: number): { readonly value: string; readonly jti: TokenId } {
  const bytes = Buffer.allocUnsafe(TIME_BYTES + SECRET_BYTES);
  writeTimePrefix(bytes, nowMs);
  fillRandom(bytes, TIME_BYTES);
  const value = PREFIX + bytes.toString('base64url');
  return { value, jti: tokenIdOf(value) };
}

/** A new identifier for a JWT access token. It is public, and no token value leads to it but the signed one. */
export function newJwtId(nowMs: number): TokenId {
  const bytes = Buffer.allocUnsafe(KEY_BYTES);
  writeTimePrefix(bytes, nowMs);
  fillRandom(bytes, TIME_BYTES);
  return `tok_${bytes.toString('base64url')}`;
}

/** Where an opaque token would be stored; undefined for what cannot be one of ours. */
export function opaqueTokenId(value: string): TokenId | undefined {
  return OPAQUE.test(value) ? tokenIdOf(value) : undefined;
}

/** When a token was issued, in seconds since the epoch: it stands in its identifier. */
export function issuedAtOf(jti: TokenId): number {
  return toSeconds(Buffer.from(jti.slice('tok_'.length), 'base64url').readUIntBE(0, TIME_BYTES));
}

export function isTokenId(text: string): text is TokenId {
  return TOKEN_ID.test(text);
}

/**
 * The time of issue, then the SHA-256 of the whole value, cut to 208 bits: the value cannot be found from it (I11).
 *
 * Both are put together as the text that they are in: a character stands for six bits, so that the six bytes of the time are eight of
 * them, and the 26 of the digest 34 and the upper four bits of another.
 */
function tokenIdOf(value: string): TokenId {
  const digest = hash('sha256', value, 'base64url');
  const last = BASE64URL[BASE64URL.indexOf(digest[34] as string) & 0b111100] as string;
  return `tok_${value.slice(PREFIX.length, PREFIX.length + 8)}${digest.slice(0, 34)}${last}`;
}
