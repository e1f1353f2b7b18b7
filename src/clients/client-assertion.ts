import { createPublicKey, generateKeyPairSync, type KeyObject, constants as rsa, verify } from 'node:crypto';
import type { JWK } from 'jose';
import { z } from 'zod';
import { signatureToDer } from '../keys/index.ts';
import { ASSERTION_ALG_NAMES, type AssertionAlg } from './client.ts';

/** Why an assertion proves nothing. The caller hears `invalid_client` for each; the audit trail hears which. */
export type AssertionRefusal =
  | 'assertion-malformed'
  | 'assertion-header-not-permitted'
  | 'assertion-algorithm-not-registered'
  | 'assertion-key-unknown'
  | 'assertion-signature-wrong'
  | 'assertion-claims-malformed'
  | 'assertion-issuer-wrong'
  | 'assertion-audience-wrong'
  | 'assertion-expired'
  | 'assertion-lifetime-too-long'
  | 'assertion-from-the-future';

/** An assertion that was signed by the client and is good for one use until `expiresAt`. */
export interface VerifiedAssertion {
  readonly jti: string;
  /** The earliest instant at which it would have been accepted, in milliseconds since the epoch. */
  readonly usableFrom: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const MAX_ASSERTION_CHARACTERS = 8_192;
/** How far the client's clock may be ahead of ours. */
const CLOCK_SKEW_SECONDS = 30;

/** A media type as RFC 7515 section 4.1.9 compares them: without regard to case, `application/` left out or not. */
const TYPES = /^(?:application\/)?(?:client-authentication\+)?jwt$/i;

/**
 * `jwk`, `jku`, `x5u` and `x5c` would let the sender choose the key, and `crit` the rules (RFC 8725 section 3.10). Whatever else
 * stands in a header is passed over (RFC 7515 section 4): libraries name thumbprints there, and content types.
 *
 * @param permitted the one of them that a key may be named by, where there is one
 */
export function choosesKeyOrRules(header: object, permitted?: 'jwk'): boolean {
  return ['jwk', 'jku', 'x5u', 'x5c', 'crit'].some(
    member => member !== permitted && Object.hasOwn(header, member),
  );
}

const headerSchema = z
  .looseObject({
    alg: z.enum(ASSERTION_ALG_NAMES).transform((name): AssertionAlg => (name === 'Ed25519' ? 'EdDSA' : name)),
    typ: z.string().regex(TYPES).optional(),
    kid: z.string().max(256).optional(),
  })
  .refine(header => !choosesKeyOrRules(header));

/** Seconds since the epoch, with a fraction or without (RFC 7519 section 2, NumericDate). */
const numericDate = z.number().nonnegative();

const claimsSchema = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.string(),
  jti: z.string().min(1).max(256),
  exp: numericDate,
  iat: numericDate.optional(),
  nbf: numericDate.optional(),
});

const keyObjects = new WeakMap<JWK, KeyObject>();

/** A key nobody holds the other half of: an unknown client's assertion is verified against it, and takes as long (I15). */
const decoyKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;

/** An assertion taken apart. Nothing of it has been verified. */
export interface ReadAssertion {
  /** None of one that is too long. */
  readonly segments: readonly string[];
  /** Undefined when there are none to read. */
  readonly claims: Readonly<Record<string, unknown>> | undefined;
}

/** Takes an assertion apart, once: its claims say whose keys to look up before anything is verified. */
export function readAssertion(assertion: string): ReadAssertion {
  const segments = assertion.length > MAX_ASSERTION_CHARACTERS ? [] : assertion.split('.');
  return { segments, claims: parseSegment(segments[1]) };
}

/** The client that an assertion claims to come from; undefined when there is no such claim to read. */
export function unverifiedSubject({ claims }: ReadAssertion): string | undefined {
  const subject = claims?.['sub'];
  return typeof subject === 'string' ? subject : undefined;
}

/** What assertions are held to, besides the client's keys. */
export interface AssertionRules {
  /** Our issuer identifier; its form with one trailing slash is accepted too, as MCP SDKs send both. */
  readonly issuer: string;
  /** For how long one may be good at most. */
  readonly assertionLifetimeSeconds: number;
}

/**
 * Verifies a `private_key_jwt` client assertion (RFC 7523 section 3, as tightened by RFC 7523bis: the issuer is the only
 * audience, in one string). Whether it has been used before is decided by the commit that uses it up.
 *
 * @param keys the client's registered keys; empty for an unknown client
 * @param nowMs milliseconds since the epoch
 */
export function verifyClientAssertion(
  { segments, claims: unverified }: ReadAssertion,
  clientId: string,
  keys: readonly JWK[],
  { issuer, assertionLifetimeSeconds }: AssertionRules,
  nowMs: number,
): VerifiedAssertion | AssertionRefusal {
  const [headerText, claimsText, signatureText] = segments;
  if (segments.length !== 3 || !headerText || !claimsText || !signatureText) return 'assertion-malformed';

  const rawHeader = parseSegment(headerText);
  if (!rawHeader) return 'assertion-malformed';
  const header = headerSchema.safeParse(rawHeader);
  if (!header.success) return 'assertion-header-not-permitted';

  const signed = Buffer.from(`${headerText}.${claimsText}`);
  const signature = Buffer.from(signatureText, 'base64url');
  const { alg, kid } = header.data;
  const ofAlg = keys.filter(key => key.alg === alg);
  // A name that the client was registered without says nothing about its key.
  const candidates = ofAlg.filter(key => kid === undefined || key.kid === undefined || key.kid === kid);
  if (candidates.length === 0) {
    verifySignature('ES256', signed, decoyKey, signature);
    return ofAlg.length === 0 ? 'assertion-algorithm-not-registered' : 'assertion-key-unknown';
  }
  if (!candidates.some(key => verifySignature(alg, signed, toKeyObject(key), signature))) {
    return 'assertion-signature-wrong';
  }

  const claims = claimsSchema.safeParse(unverified);
  if (!claims.success) return 'assertion-claims-malformed';
  const { iss, sub, aud, exp, iat, nbf, jti } = claims.data;
  const now = nowMs / 1000;
  if (iss !== clientId || sub !== clientId) return 'assertion-issuer-wrong';
  if (aud !== issuer && aud !== `${issuer}/`) return 'assertion-audience-wrong';
  if (exp <= now) return 'assertion-expired';
  if (exp > now + assertionLifetimeSeconds + CLOCK_SKEW_SECONDS) return 'assertion-lifetime-too-long';
  if (iat !== undefined && exp - iat > assertionLifetimeSeconds) return 'assertion-lifetime-too-long';
  if (Math.max(iat ?? 0, nbf ?? 0) > now + CLOCK_SKEW_SECONDS) return 'assertion-from-the-future';
  const usableFrom = Math.max(exp - assertionLifetimeSeconds, iat ?? 0) - CLOCK_SKEW_SECONDS;
  // Whole milliseconds, and never less than it was good for.
  return { jti, usableFrom: Math.floor(usableFrom * 1000), expiresAt: Math.ceil(exp * 1000) };
}

/** node:crypto with a prepared key: verifying costs half of what it costs through WebCrypto, and this is a hot path. */
export function verifySignature(alg: AssertionAlg, data: Buffer, key: KeyObject, signature: Buffer): boolean {
  switch (alg) {
    case 'ES256':
      // A bare key: with options beside it the same verification costs a third more.
      return signature.length === 64 && verify('sha256', data, key, signatureToDer(signature));
    case 'EdDSA':
      return verify(null, data, key, signature);
    case 'PS256':
      return verify(
        'sha256',
        data,
        { key, padding: rsa.RSA_PKCS1_PSS_PADDING, saltLength: rsa.RSA_PSS_SALTLEN_DIGEST },
        signature,
      );
  }
}

function toKeyObject(jwk: JWK): KeyObject {
  let key = keyObjects.get(jwk);
  if (!key) {
    key = createPublicKey({ key: jwk, format: 'jwk' });
    keyObjects.set(jwk, key);
  }
  return key;
}

export function parseSegment(segment: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment ?? '', 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
