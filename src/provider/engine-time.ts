import type { AdapterPayload } from 'oidc-provider';

/**
 * The engine reads the machine's clock itself, and cannot be given another: it dates what it makes by it, and asks it whether what it finds
 * has ended. So a record's end is kept beside it by our time, which decides; what the engine finds is dated anew by what it will read.
 */
export function engineNow(): number {
  return Date.now();
}

/** Less is what rounding to whole seconds makes. */
const SAME_SECONDS = 1;

/**
 * A record as the engine has to find it: with as much left of it by the machine's clock as there is by ours, and as old.
 *
 * @param leftMs until it ends by our time
 */
export function datedForEngine(payload: AdapterPayload, leftMs: number): AdapterPayload {
  const { iat, exp } = payload;
  if (exp === undefined) return payload;
  const end = Math.floor(engineNow() / 1_000) + Math.ceil(leftMs / 1_000);
  const shift = end - exp;
  if (Math.abs(shift) <= SAME_SECONDS) return payload;
  return { ...payload, exp: end, ...(iat !== undefined && { iat: iat + shift }) };
}
