import { generateSecret, generateURI, verifySync } from 'otplib';

/** RFC 6238 section 4, as every authenticator app has it: SHA-1, six digits, 30 seconds. */
export const STEP_MS = 30_000;
const DIGITS = 6;
/** A step to either side, for clocks that differ and people who type (RFC 6238 section 5.2). */
const TOLERANCE_SECONDS = STEP_MS / 1_000;
const SEED_BYTES = 20;

/** What an authenticator app is given, once. */
export interface TotpSeed {
  /** As a QR code holds it. */
  readonly uri: string;
  /** For typing: base32 in groups of four. */
  readonly secret: string;
}

/** @returns base32 */
export function newTotpSeed(): string {
  return generateSecret({ length: SEED_BYTES });
}

export function showTotpSeed(seed: string, issuer: string, label: string): TotpSeed {
  return {
    uri: generateURI({ issuer, label, secret: seed }),
    secret: seed.match(/.{1,4}/g)?.join(' ') ?? seed,
  };
}

/**
 * The time step of which a code is. Whether that step has been used is for the caller to look at.
 *
 * @param code as it was typed: with spaces, or in the digits of another script
 * @returns undefined where it is of none that is accepted now
 */
export function stepOfCode(seed: string, code: string, nowMs: number): number | undefined {
  const token = plainDigits(code);
  if (token === undefined) return undefined;
  const result = verifySync({
    secret: seed,
    token,
    epoch: Math.floor(nowMs / 1_000),
    epochTolerance: TOLERANCE_SECONDS,
  });
  return result.valid && 'timeStep' in result ? result.timeStep : undefined;
}

/** The earliest instant at which a code of a step is accepted. */
export function usableFrom(step: number): number {
  return (step - 1) * STEP_MS;
}

/** Six ASCII digits: NFKC turns full-width digits into them, and no other script's are taken (T5). */
function plainDigits(code: string): string | undefined {
  const digits = code.slice(0, 64).normalize('NFKC').replace(/[\s-]/gu, '');
  return digits.length === DIGITS && /^[0-9]+$/.test(digits) ? digits : undefined;
}
