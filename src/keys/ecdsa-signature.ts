const COORDINATE_BYTES = 32;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/**
 * An ES256 signature as JOSE has it, r and s side by side (RFC 7518 section 3.4), from the DER form that OpenSSL makes. Doing
 * this here costs a microsecond; having node:crypto do it costs thirty.
 *
 * @param der SEQUENCE { INTEGER r, INTEGER s }, on P-256
 */
export function signatureFromDer(der: Buffer): Buffer {
  const signature = Buffer.alloc(2 * COORDINATE_BYTES);
  const r = readInteger(der, 2);
  copyRight(der, r, signature, 0);
  const s = readInteger(der, r.end);
  copyRight(der, s, signature, COORDINATE_BYTES);
  return signature;
}

/**
 * The DER form of an ES256 signature, for OpenSSL to verify: the other way of `signatureFromDer`.
 *
 * @param signature r and s side by side, 64 bytes
 */
export function signatureToDer(signature: Buffer): Buffer {
  const der = Buffer.alloc(2 + 2 * (2 + 1 + COORDINATE_BYTES));
  const r = writeInteger(der, 2, signature.subarray(0, COORDINATE_BYTES));
  const end = writeInteger(der, r, signature.subarray(COORDINATE_BYTES));
  der[0] = SEQUENCE;
  der[1] = end - 2;
  return der.subarray(0, end);
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function readInteger(der: Buffer, at: number): Span {
  const start = at + 2;
  return { start, end: start + (der[at + 1] ?? 0) };
}

/** An integer may be shorter than a coordinate, or one zero byte longer, which keeps it positive. */
function copyRight(from: Buffer, { start, end }: Span, to: Buffer, offset: number): void {
  const first = Math.max(start, end - COORDINATE_BYTES);
  from.copy(to, offset + COORDINATE_BYTES - (end - first), first, end);
}

/** As few bytes as there can be, and the first one below 128: an INTEGER is signed. @returns where it ends */
function writeInteger(to: Buffer, at: number, coordinate: Buffer): number {
  let first = 0;
  while (first < COORDINATE_BYTES - 1 && coordinate[first] === 0) first += 1;
  const isPadded = (coordinate[first] ?? 0) >= 0x80;
  const start = at + 2 + (isPadded ? 1 : 0);
  to[at] = INTEGER;
  to[at + 1] = COORDINATE_BYTES - first + (isPadded ? 1 : 0);
  return start + coordinate.copy(to, start, first);
}
