/** Signing keys in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownInstant } from '../admin-api/index.ts';
import { closedObject, idOf, killInput } from '../input/index.ts';
import { SIGNING_ALGS } from '../oauth.ts';
import { rotationInput } from './rotation-input.ts';
import { SIGNING_KEY_STATUSES } from './signing-key.ts';

const params = { id: idOf('key') };
const example = { params: { id: `key_${'a'.repeat(32)}` } };
const tag = 'Signing keys';

export const shownSigningKey = closedObject({
  id: idOf('key').describe('Also the `kid`.'),
  alg: z.enum(SIGNING_ALGS),
  status: z.enum(SIGNING_KEY_STATUSES).describe('What it is now.'),
  createdAt: shownInstant,
  updatedAt: shownInstant,
  activatesAt: shownInstant.optional().describe('When it begins to sign.'),
  retiresAt: shownInstant.optional().describe('When it ceases to sign.'),
  removesAt: shownInstant.optional().describe('When it leaves the JWKS.'),
  sealedWith: z
    .string()
    .optional()
    .describe(
      'The key-encryption key that its private half is sealed with, by name; absent once there is no private half.',
    ),
}).meta({
  id: 'SigningKey',
  description: 'A key that signs access tokens. Its private half is never shown.',
});

const shownSigningKeys = closedObject({ items: z.array(shownSigningKey) }).meta({ id: 'SigningKeys' });

export const signingKeyCalls = {
  listSigningKeys: adminCall({
    method: 'GET',
    path: '/keys',
    tag,
    scope: 'read',
    summary: 'List signing keys',
    description: 'All of them, oldest first: there are never many.',
    answer: shownSigningKeys,
    example: {},
  }),
  rotateSigningKeys: adminCall({
    method: 'POST',
    path: '/keys/rotate',
    tag,
    scope: 'keys',
    summary: 'Rotate signing keys',
    description:
      'Makes a successor for one algorithm or all: published from now on, signing after the overlap. The present key signs until that very instant, and verifies until its last token has expired.',
    body: rotationInput.meta({ id: 'RotationInput' }),
    answer: shownSigningKeys,
    status: 201,
    refusals: ['key-rotation-pending'],
    example: { body: { alg: 'ES256', overlapSeconds: 3600 } },
  }),
  resealSigningKeys: adminCall({
    method: 'POST',
    path: '/keys/reseal',
    tag,
    scope: 'keys',
    summary: 'Seal signing keys under the current key-encryption key',
    description:
      'After a change of key-encryption keys, once every process has started with the new one. Seeds of authenticator apps are sealed anew too. Once it is done, the older key is no longer needed, and no server starts with it alone.',
    answer: closedObject({
      keyEncryptionKey: z.string().describe('The name of the key that everything is sealed with now.'),
      resealed: z.int().min(0).describe('How many signing keys and seeds were sealed anew.'),
    }).meta({ id: 'ResealReport' }),
    refusals: ['key-encryption-key-missing'],
    example: {},
  }),
  retireSigningKey: adminCall({
    method: 'POST',
    path: '/keys/{id}/retire',
    tag,
    scope: 'keys',
    summary: 'Have a signing key sign no longer',
    description:
      'What it signed stays valid to its end. A pending successor begins at once; a key that does not sign yet is gone at once, and its rotation is off.',
    params,
    mayMatch: true,
    answer: shownSigningKey,
    etag: true,
    refusals: ['key-unknown', 'key-without-successor'],
    example,
  }),
  killSigningKey: adminCall({
    method: 'POST',
    path: '/keys/{id}/kill',
    tag,
    scope: 'keys',
    summary: 'Withdraw a signing key and end every token that it signed',
    description: 'One write. Where no other key signs, a new one does in the same write.',
    params,
    body: killInput,
    bodyOptional: true,
    mayMatch: true,
    answer: shownSigningKey,
    etag: true,
    refusals: ['key-unknown'],
    example: { ...example, body: { reason: 'It does what nobody asked it for' } },
  }),
};
