import { z } from 'zod';
import { credentialInput } from '../clients/api.ts';
import { accessTokenTtlSeconds, closedObject, idOf, listOf, plainText, scopeName } from '../input/index.ts';
import { SIGNING_ALGS } from '../oauth.ts';
import { RISKS } from './resource.ts';

const MAX_SCOPES = 200;
const DEFAULT_TTL_SECONDS = 300;

const IDENTIFIER =
  'an absolute http or https URL in its canonical spelling, without user name or fragment, of at most 500 characters';

/**
 * A resource identifier (RFC 8707 section 2): absolute, without fragment, and spelt as a URL parser would spell it, so that
 * there is one way to write it. The path may be left out.
 */
const identifier = z
  .string({ error: IDENTIFIER })
  .max(500, { error: IDENTIFIER })
  .refine(isCanonicalIdentifier, { error: IDENTIFIER });

const scopes = listOf(
  closedObject({ name: scopeName, sentence: plainText(200), risk: z.enum(RISKS) }),
  { least: 1, most: MAX_SCOPES },
  scope => scope.name,
);

const tokenFormat = z.discriminatedUnion(
  'kind',
  [
    closedObject({ kind: z.literal('opaque') }),
    closedObject({ kind: z.literal('jwt'), alg: z.enum(SIGNING_ALGS) }),
  ],
  { error: '{"kind": "opaque"} or {"kind": "jwt", "alg": "ES256"}' },
);

/** A new resource server. */
export const resourceInput = closedObject({
  /** Chosen by files and seeds, so that they can be applied twice. */
  id: idOf('res').optional(),
  identifier,
  name: plainText(100),
  scopes,
  tokenFormat: tokenFormat.default({ kind: 'opaque' }),
  accessTokenTtlSeconds: accessTokenTtlSeconds.default(DEFAULT_TTL_SECONDS),
  credential: credentialInput.default({ method: 'client_secret' }),
});

/** What may be changed of a resource server. Its identifier is in every token for it, so it stays. */
export const resourceChanges = closedObject({
  name: plainText(100).optional(),
  scopes: scopes.optional(),
  tokenFormat: tokenFormat.optional(),
  accessTokenTtlSeconds: accessTokenTtlSeconds.optional(),
});

export type ResourceInput = z.input<typeof resourceInput>;
export type ResourceChanges = z.input<typeof resourceChanges>;

function isCanonicalIdentifier(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    url.username === '' &&
    url.password === '' &&
    !text.includes('#') &&
    (url.href === text || url.href === `${text}/`)
  );
}
