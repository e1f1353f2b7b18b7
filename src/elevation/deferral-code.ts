import { hash } from 'node:crypto';
import { fillRandom } from '../ids.ts';

const PREFIX = 'cs_dc_';
const ID_BYTES = 16;
/** 160 random bits besides the identifier, which is no secret. */
const SECRET_BYTES = 20;
const CODE = /^cs_dc_[A-Za-z0-9_-]{48}$/;

/** Letters and digits that nobody takes for another one: 32 of them, five bits each. */
const READABLE = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const BINDING_CHARACTERS = 8;

/**
 * A new deferral code. It leads to its elevation by itself, so that a poll is one read by an identifier, and only its SHA-256 is stored
 * (I11).
 */
export function newDeferralCode(elevationId: `elv_${string}`): {
  readonly code: string;
  readonly digest: string;
} {
  const bytes = Buffer.allocUnsafe(ID_BYTES + SECRET_BYTES);
  bytes.write(elevationId.slice('elv_'.length), 'hex');
  fillRandom(bytes, ID_BYTES);
  const code = PREFIX + bytes.toString('base64url');
  return { code, digest: digestOfCode(code) };
}

/** Under what a code is stored: SHA-256 is enough for what cannot be guessed. */
export function digestOfCode(code: string): string {
  return hash('sha256', code, 'base64url');
}

/** The elevation that a code is of, if it is one of ours; undefined for what cannot be one. */
export function elevationOfCode(code: string): `elv_${string}` | undefined {
  if (!CODE.test(code)) return undefined;
  const bytes = Buffer.from(code.slice(PREFIX.length), 'base64url');
  return `elv_${bytes.subarray(0, ID_BYTES).toString('hex')}`;
}

/** Whether a value has the form of a deferral code: for who is given a value and has to find out what it is. */
export function isDeferralCode(value: string): boolean {
  return CODE.test(value);
}

/** A code of eight characters that is shown by the agent and on the card, to be compared: like `K7QF-3MNP`. */
export function newBindingCode(): string {
  const bytes = Buffer.allocUnsafe(BINDING_CHARACTERS);
  fillRandom(bytes);
  const characters = [...bytes].map(byte => READABLE[byte % READABLE.length]).join('');
  return `${characters.slice(0, 4)}-${characters.slice(4)}`;
}
