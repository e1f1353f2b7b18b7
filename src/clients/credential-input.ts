import { z } from 'zod';
import { isPlainHttps } from '../egress/plain-https.ts';
import { closedObject, listOf } from '../input/index.ts';
import type { ClientCredential } from './client.ts';
import { digestSecret, newClientSecret } from './client-secret.ts';
import { publicKey } from './public-key.ts';
import { credentialOf, secretsOf } from './registered-secrets.ts';

/** While a secret is being replaced, the one before is accepted too. */
const MAX_SECRETS = 2;
const MAX_KEYS = 5;
const MAX_URI_CHARACTERS = 500;

const JWKS_URI = `an https URL in its canonical spelling, without user name or fragment, of at most ${MAX_URI_CHARACTERS} characters`;
const KEYS_OR_URI = 'either keys or jwksUri';

/** Where a client publishes its keys (RFC 7591 section 2, `jwks_uri`). */
export const jwksUriInput: z.ZodType<string, string> = z
  .string({ error: JWKS_URI })
  .max(MAX_URI_CHARACTERS, { error: JWKS_URI })
  .refine(text => URL.canParse(text) && new URL(text).href === text && isPlainHttps(new URL(text)), {
    error: JWKS_URI,
  });

/**
 * How a client will prove itself: with a secret that we make, or with the private halves of keys that are given here or
 * fetched from where the client publishes them.
 */
export const credentialInput = z.discriminatedUnion(
  'method',
  [
    closedObject({ method: z.literal('client_secret') }),
    closedObject({
      method: z.literal('private_key_jwt'),
      keys: listOf(publicKey, { least: 1, most: MAX_KEYS }, key => key.kid ?? key).optional(),
      jwksUri: jwksUriInput.optional(),
    }).refine(({ keys, jwksUri }) => (keys === undefined) !== (jwksUri === undefined), {
      error: KEYS_OR_URI,
    }),
  ],
  {
    error:
      '{"method": "client_secret"}, {"method": "private_key_jwt", "keys": […]} or {"method": "private_key_jwt", "jwksUri": "https://…"}',
  },
);

/** As above, or none at all: for applications that run where no secret can be kept. */
export const credentialOrNoneInput = z.discriminatedUnion(
  'method',
  [...credentialInput.options, closedObject({ method: z.literal('none') })],
  {
    error:
      '{"method": "client_secret"}, {"method": "private_key_jwt", "keys": […]}, {"method": "private_key_jwt", "jwksUri": "https://…"} or {"method": "none"}',
  },
);

/** A public key that takes the place of another. */
export const newKeyInput = closedObject({
  key: publicKey.describe('The public half: the other one never leaves its holder.'),
}).meta({ id: 'NewKey' });

export type CredentialInput = z.input<typeof credentialInput>;

export interface MadeCredential {
  readonly credential: ClientCredential;
  /** To be shown once. It is stored nowhere. */
  readonly secret?: string;
}

/**
 * Makes what is stored of a credential, and the secret where there is one.
 *
 * @param now    milliseconds since the epoch
 * @param secret of 256 random bits, where the caller has to know it beforehand; made here otherwise
 */
export function makeCredential(
  input: z.output<typeof credentialOrNoneInput>,
  now: number,
  secret: string = newClientSecret(),
): MadeCredential {
  if (input.method === 'none') return { credential: input };
  if (input.method === 'private_key_jwt') {
    const { method, keys = [], jwksUri } = input;
    return { credential: jwksUri === undefined ? { method, keys } : { method, jwksUri } };
  }
  const secretDigests = [digestSecret(secret)];
  return { credential: { method: 'client_secret', secretDigests, secretsMadeAt: [now] }, secret };
}

/**
 * A new secret beside the newest of those before; older ones stop working.
 *
 * @param now milliseconds since the epoch
 * @throws {Refused<CredentialRefusal>}
 */
export function addSecret(credential: ClientCredential, secret: string, now: number): ClientCredential {
  const before = secretsOf(credential);
  return credentialOf([{ digest: digestSecret(secret), madeAt: now }, ...before].slice(0, MAX_SECRETS));
}
