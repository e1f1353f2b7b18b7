/** Credentials in the admin API: how they are given and how they are shown. Free of server code, as every `api.ts`. */
import { z } from 'zod';
import { shownInstant } from '../admin-api/index.ts';
import { closedObject } from '../input/index.ts';

export { credentialInput, credentialOrNoneInput, newKeyInput } from './credential-input.ts';

/** A public key as it is shown: these members and no other, so that a private one cannot slip through. */
const keyMembers = {
  kty: z.string().optional(),
  crv: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  alg: z.string().optional(),
  kid: z.string().optional(),
};
const shownKey = closedObject(keyMembers).meta({ id: 'PublicKey', description: 'A public key (RFC 7517).' });

/** How many secrets are accepted, or the public keys or where they are. Never a digest. */
export const shownCredential = z
  .union([
    closedObject({
      method: z.literal('client_secret'),
      secrets: z.int().describe('How many are accepted: two while one takes the place of the other.'),
    }),
    closedObject({ method: z.literal('private_key_jwt'), keys: z.array(shownKey) }),
    closedObject({ method: z.literal('private_key_jwt'), jwksUri: z.string() }),
    closedObject({ method: z.literal('none') }),
  ])
  .meta({ id: 'Credential', description: 'How a client proves itself.' });

/** The secret of a client, where the answer is the one that shows it. */
export const shownSecret = z
  .string()
  .describe('Shown in this answer alone, and stored nowhere in clear: keep it.');

/** The key of the examples, and what it is called. */
export const NEW_KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'ePKaHRm3wxpFXvm5fcmCibx_aESNAlnFMko75ufmZYw',
  y: 'LXPrDYCq7bknAaqNi90O73tNbXp35YChN-cfEkXiwos',
} as const;
export const NEW_KEY_ID = 'jwk_bWwdekMOg_xF';

/** What a public key is called. */
export const keyIdInput = z
  .string()
  .regex(/^jwk_[\w-]{12}$/, { error: 'the `id` of one of its keys' })
  .describe('What the key is called.');

/** The public keys that are accepted, newest first. */
export const shownKeys = closedObject({
  items: z.array(
    closedObject({
      id: z.string().describe('What the key is called: the beginning of its thumbprint (RFC 7638).'),
      ...keyMembers,
    }).meta({ id: 'RegisteredKey' }),
  ),
}).meta({ id: 'RegisteredKeys' });

/** What a secret is called. */
export const secretIdInput = z
  .string()
  .regex(/^sec_[\w-]{12}$/, { error: 'the `id` of one of its secrets' })
  .describe('What the secret is called.');

/** The secrets that are accepted, newest first. */
export const shownSecrets = closedObject({
  items: z.array(
    closedObject({
      id: z.string().describe('What the secret is called. Nothing leads from it to the secret.'),
      createdAt: shownInstant.optional().describe('Absent where it was given by configuration.'),
    }).meta({ id: 'Secret' }),
  ),
}).meta({ id: 'Secrets' });
