import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 256 random bits, base64url. */
const VALUE = /^[\w-]{43}$/;

/** A new value of a pass: whoever has it holds the pass, so it is told once and stored nowhere. */
export function newPassValue(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * Under what a pass is stored: SHA-256 is enough for what cannot be guessed.
 *
 * @param value from wherever it comes
 * @returns undefined where it cannot be one of ours
 */
export function passKey(value: unknown): string | undefined {
  return typeof value === 'string' && VALUE.test(value) ? hash('sha256', value, 'base64url') : undefined;
}

/**
 * What a form has to bring back so that it is known to have been rendered for this holder: bound to the value of their pass, which no
 * other site can read, and to the action, so that a form for one thing cannot be used for another.
 *
 * @param value of the session, the begun sign-in or the enrolment link
 */
export function requestToken(value: string, action: string): string {
  return createHmac('sha256', value).update(`request token ${action}`).digest('base64url');
}

/** Whether a form was rendered for this holder and this action. In constant time. */
export function isRequestToken(value: string, action: string, sent: unknown): boolean {
  const expected = Buffer.from(requestToken(value, action));
  const given = Buffer.from(typeof sent === 'string' ? sent : '');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
