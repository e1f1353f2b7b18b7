/**
 * What may be a secret in a text from outside: a signed JWT, or a long run of base64url such as our tokens, secrets and codes are
 * made of. A run without a capital letter, or without a small one, is none of those but for a chance below one in a hundred
 * million: identifiers, UUIDs and long names stay readable.
 */
const MAY_BE_SECRET = /eyJ[\w-]+(?:\.[\w-]+)+|[\w-]{40,}/g;

/**
 * Takes out of a text what looks like a secret (I11). Callers put secrets into wrong places: into a scope, a path, the place of
 * the client identifier. What was wrong is recorded and told; the secret itself is not.
 *
 * @returns the text with `[withheld]` in the place of each
 */
export function withoutSecrets(text: string): string {
  return text.replace(MAY_BE_SECRET, run => (/[A-Z]/.test(run) && /[a-z]/.test(run) ? '[withheld]' : run));
}
