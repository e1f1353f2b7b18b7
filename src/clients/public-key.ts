import { createPublicKey, hash } from 'node:crypto';
import type { JWK } from 'jose';
import { z } from 'zod';
import type { AssertionAlg } from './client.ts';

const MIN_RSA_BITS = 2_048;
/** Larger ones cost the server more for each request than they are worth. */
const MAX_RSA_BITS = 4_096;

/** RFC 7518 section 6: the members that only a private or symmetric key has. */
export const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Said by anyone who is about to publish it as a key, not used by us (RFC 7517 section 4). */
const commonMembers = {
  kid: z
    .string({ error: 'text' })
    .min(1, { error: 'text' })
    .max(256, { error: 'at most 256 characters' })
    .optional(),
  use: z.literal('sig').optional(),
  key_ops: z.array(z.literal('verify')).max(1).optional(),
  ext: z.boolean().optional(),
};

const coordinate = z
  .string({ error: '32 bytes in base64url' })
  // One spelling of each number: the last sign has two bits to spare, and they are none of them.
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, { error: '32 bytes in base64url' });

/** A public key that signatures of ours are verified with (RFC 7517): one that fits one of our algorithms, and only what we use of it. */
export const publicKey = z
  .discriminatedUnion(
    'kty',
    [
      keyObject({
        kty: z.literal('EC'),
        crv: z.literal('P-256'),
        x: coordinate,
        y: coordinate,
        alg: z.literal('ES256').default('ES256'),
        ...commonMembers,
      }),
      keyObject({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        x: coordinate,
        // Either name of the one algorithm of this curve (RFC 9864); one is stored.
        alg: z
          .enum(['EdDSA', 'Ed25519'])
          .transform(() => 'EdDSA' as const)
          .default('EdDSA'),
        ...commonMembers,
      }),
      keyObject({
        kty: z.literal('RSA'),
        n: z
          .string({ error: 'the modulus in base64url' })
          .max(1_024, { error: 'the modulus in base64url' })
          .regex(/^[A-Za-z0-9_-]+$/, { error: 'the modulus in base64url' }),
        e: z.literal('AQAB'),
        alg: z.literal('PS256').default('PS256'),
        ...commonMembers,
      }),
    ],
    { error: 'a public key (JWK): EC P-256, OKP Ed25519, or RSA' },
  )
  .transform((key, context): JWK & { alg: AssertionAlg } => {
    // What else was said of the key is of no use here, and what is stored is only what is used.
    const { use: _use, key_ops: _operations, ext: _extractable, kid, ...members } = key;
    const why = whyUnusable(members);
    if (why !== undefined) {
      context.issues.push({ code: 'custom', message: why, input: undefined });
      return z.NEVER;
    }
    return kid === undefined ? members : { ...members, kid };
  });

/** RFC 7638 section 3: the required members in the order of their names. */
export function thumbprint({ kty, crv, x, y, n, e }: JWK): string {
  const members = { RSA: { e, kty, n }, EC: { crv, kty, x, y }, OKP: { crv, kty, x } }[String(kty)];
  return hash('sha256', JSON.stringify(members), 'base64url');
}

function keyObject<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: issue => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      return issue.keys?.some(member => PRIVATE_MEMBERS.includes(member))
        ? 'public members only: this is a private key, which must never leave its holder; make a new pair and send its public half'
        : `members: ${Object.keys(shape).join(', ')}`;
    },
  });
}

/** @returns what is permitted instead; undefined when the key can be used */
function whyUnusable(jwk: JWK): string | undefined {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength;
    if (bits !== undefined && (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS))
      return `an RSA key of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits`;
    return undefined;
  } catch {
    return 'a public key that is one: these numbers are not a point on its curve, or not a key';
  }
}
