import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { type RefusalDetail, Refused } from '../errors.ts';
import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';
import type { SpentCredential } from './authenticate-client.ts';
import { ASSERTION_ALG_NAMES, type AssertionAlg } from './client.ts';
import { choosesKeyOrRules, parseSegment, verifySignature } from './client-assertion.ts';
import type { DpopNonces } from './dpop-nonces.ts';
import { publicKey, thumbprint } from './public-key.ts';

/** Why a DPoP proof proves nothing (RFC 9449 section 4.3). */
export type DpopProofRefusal =
  | 'dpop-proof-malformed'
  | 'dpop-header-not-permitted'
  | 'dpop-signature-wrong'
  | 'dpop-claims-malformed'
  | 'dpop-method-wrong'
  | 'dpop-url-wrong'
  | 'dpop-time-outside-window'
  | 'dpop-token-hash-wrong'
  | 'dpop-proof-replayed'
  | 'dpop-nonce-missing'
  | 'dpop-nonce-not-current';

/** A proof that holds, good for one use. */
export interface VerifiedDpopProof {
  /** The RFC 7638 thumbprint (SHA-256) of the key: what a token is bound to. */
  readonly jkt: string;
  /** The use of the proof, to be committed before anything is answered (I1). */
  readonly spent: SpentCredential;
  /** A nonce for the next proof, where the one used is about to end (RFC 9449 section 8.2). */
  readonly nextNonce?: string;
}

export interface DpopRules {
  /** What the request is: from configuration, never from its headers (I14). */
  readonly method: string;
  readonly url: string;
  readonly nonces: DpopNonces;
  readonly nonceRequired: boolean;
  /** The access token that the proof comes with, where it comes with one. */
  readonly accessToken?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** How far the time of a proof may be from ours, either way. */
const WINDOW_SECONDS = 60;
const MAX_PROOF_CHARACTERS = 8_192;
/** A key is read once, and then found by the header that carried it. */
const MAX_READ_HEADERS = 1_000;

const headerSchema = z
  .looseObject({
    typ: z.literal('dpop+jwt'),
    alg: z.enum(ASSERTION_ALG_NAMES).transform((name): AssertionAlg => (name === 'Ed25519' ? 'EdDSA' : name)),
    jwk: publicKey,
  })
  .refine(header => !choosesKeyOrRules(header, 'jwk'));

const claimsSchema = z.object({
  jti: z.string().min(1).max(256),
  htm: z.string().max(32),
  htu: z.string().max(2_048),
  iat: z.number().nonnegative(),
  ath: z.string().max(64).optional(),
  nonce: z.string().max(256).optional(),
});

interface ProofKey {
  readonly alg: AssertionAlg;
  readonly key: KeyObject;
  readonly jkt: string;
}

const readHeaders: RecentlyUsed<ProofKey> = newRecentlyUsed(MAX_READ_HEADERS);

/**
 * Verifies a DPoP proof (RFC 9449 section 4.3). Whether it has been used before is decided by the commit that uses it up.
 *
 * @param proof the header of that name; two of them arrive as one with a comma in it, and are refused
 * @throws {Refused<DpopProofRefusal>}
 */
export function verifyDpopProof(proof: string, rules: DpopRules): VerifiedDpopProof {
  const segments = proof.split('.');
  const [headerText, claimsText, signatureText] = segments;
  if (
    proof.length > MAX_PROOF_CHARACTERS ||
    segments.length !== 3 ||
    !headerText ||
    !claimsText ||
    !signatureText
  ) {
    return refuse('dpop-proof-malformed', { permitted: ['one signed JWT'] });
  }
  const { alg, key, jkt } = readHeader(headerText);
  const signed = Buffer.from(`${headerText}.${claimsText}`);
  if (!verifySignature(alg, signed, key, Buffer.from(signatureText, 'base64url'))) {
    return refuse('dpop-signature-wrong');
  }

  const claims = claimsSchema.safeParse(parseSegment(claimsText));
  if (!claims.success) {
    return refuse('dpop-claims-malformed', { permitted: ['the claims jti, htm, htu and iat'] });
  }
  const { jti, htm, htu, iat, ath, nonce } = claims.data;
  if (htm !== rules.method) {
    return refuse('dpop-method-wrong', { parameter: 'htm', sent: htm, permitted: [rules.method] });
  }
  if (!isSameUrl(htu, rules.url)) {
    return refuse('dpop-url-wrong', { parameter: 'htu', sent: htu, permitted: [rules.url] });
  }
  const nextNonce = checkNonce(nonce, rules);
  if (Math.abs(rules.now / 1000 - iat) > WINDOW_SECONDS) {
    const nowSeconds = Math.floor(rules.now / 1000);
    return refuse('dpop-time-outside-window', {
      parameter: 'iat',
      sent: String(iat),
      permitted: [`within ${WINDOW_SECONDS} seconds of ${nowSeconds}`],
    });
  }
  const expectedHash = rules.accessToken && hash('sha256', rules.accessToken, 'base64url');
  if (expectedHash !== undefined && ath !== expectedHash) {
    return refuse('dpop-token-hash-wrong', {
      parameter: 'ath',
      permitted: ['the SHA-256 digest of the access token, in base64url'],
    });
  }
  return {
    jkt,
    spent: {
      kind: 'use-once',
      value: `dpop-proof ${jkt} ${jti}`,
      usableFrom: (iat - WINDOW_SECONDS) * 1000,
      // From then on its time is refused, and nobody has to remember it.
      expiresAt: Math.ceil(iat + WINDOW_SECONDS + 1) * 1000,
    },
    ...(nextNonce !== undefined && { nextNonce }),
  };
}

/** Reads the key of a proof. What was read stays: agents prove the same key again and again. */
function readHeader(text: string): ProofKey {
  const known = readHeaders.get(text);
  if (known) return known;
  const parsed = parseSegment(text);
  if (!parsed) return refuse('dpop-proof-malformed', { permitted: ['one signed JWT'] });
  const header = headerSchema.safeParse(parsed);
  if (!header.success || header.data.alg !== header.data.jwk.alg) {
    return refuse('dpop-header-not-permitted', {
      permitted: [
        'typ dpop+jwt',
        `alg ${ASSERTION_ALG_NAMES.join(', ')}`,
        'jwk: the public key of that algorithm, without private members',
      ],
    });
  }
  const { alg, jwk } = header.data;
  const read = { alg, key: createPublicKey({ key: jwk, format: 'jwk' }), jkt: thumbprint(jwk) };
  readHeaders.set(text, read);
  return read;
}

/** @returns a newer nonce than the one used, where there is one */
function checkNonce(
  nonce: string | undefined,
  { nonces, nonceRequired, now }: DpopRules,
): string | undefined {
  if (nonce === undefined) {
    return nonceRequired ? refuse('dpop-nonce-missing', { parameter: 'nonce' }) : undefined;
  }
  const age = nonces.ageOf(nonce, now);
  if (age === undefined) return refuse('dpop-nonce-not-current', { parameter: 'nonce' });
  return age === 'newest' ? undefined : nonces.newest(now);
}

/** RFC 9449 section 4.3: without query and fragment, and normalised as RFC 3986 sections 6.2.2 and 6.2.3 say. */
function isSameUrl(htu: string, url: string): boolean {
  const [withoutQuery = ''] = htu.split(/[?#]/, 1);
  if (withoutQuery === url) return true;
  return URL.canParse(withoutQuery) && new URL(withoutQuery).href === new URL(url).href;
}

function refuse(reason: DpopProofRefusal, detail: RefusalDetail = {}): never {
  throw new Refused<DpopProofRefusal>(reason, detail);
}
