import { z } from 'zod';

export const MAX_REDIRECT_URIS = 20;

const REDIRECT_URI =
  'an https URL, http on localhost, 127.0.0.1 or [::1], or a scheme of its own with a dot or in reverse order of a domain; without fragment, of at most 500 characters';
const LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?:[/?]|$)/;
/** RFC 8252 section 7.1; a few well-known tools have schemes without a dot. */
const OWN_SCHEME =
  /^(?!https?:|javascript:|data:|file:|blob:|about:|vbscript:|ftp:|ws:|wss:)[a-z][a-z0-9.+-]{2,60}:\/\/?[^\s]*$/;
/** A redirect URI that a browser can be sent to safely. */
export const redirectUriInput: z.ZodType<string, string> = z
  .string({ error: REDIRECT_URI })
  .max(500, { error: REDIRECT_URI })
  .refine(isRedirectUri, { error: REDIRECT_URI });

/** RFC 9700 section 2.1, RFC 8252 section 7. */
function isRedirectUri(text: string): boolean {
  if (!URL.canParse(text) || /[\s#\\*]/.test(text)) return false;
  const { protocol, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  if (protocol === 'https:') return true;
  return protocol === 'http:' ? LOOPBACK.test(text) : OWN_SCHEME.test(text);
}
