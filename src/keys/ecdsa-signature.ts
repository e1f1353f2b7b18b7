const COORDINATE_BYTES = 32;

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
