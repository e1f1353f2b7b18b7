import type { Context } from 'koa';
import { issuedForOthers, type Moment, toSeconds } from '../clock.ts';
import { Refused } from '../errors.ts';
import type { SigningAlg } from '../oauth.ts';
import type { IssueRefusal } from './decide-issue.ts';
import type { AccessTokenSigner } from './sign-access-token.ts';

/** RFC 9701 section 5: the media type; without `application/`, the type of the JWT. */
export const SIGNED_INTROSPECTION = 'application/token-introspection+jwt';

/** What responses are signed with. Libraries take it from metadata and expect no other. */
export const INTROSPECTION_SIGNING_ALG: SigningAlg = 'ES256';

/** Whether the caller would rather have a signed response (RFC 9701 section 4). */
export function prefersSigned(ctx: Pick<Context, 'headers' | 'accepts'>): boolean {
  // Hardly anybody asks, so hardly anybody pays for reading the header.
  const { accept } = ctx.headers;
  if (accept === undefined || !/token-introspection\+jwt/i.test(accept)) return false;
  return ctx.accepts('application/json', SIGNED_INTROSPECTION) === SIGNED_INTROSPECTION;
}

/**
 * Signs an introspection response (RFC 9701 section 5). What is said of the token is inside one claim, and nothing outside it
 * looks like an access token: no `sub`, no `exp`, no `scope`, and a type of its own.
 *
 * @param audience the client identifier of the resource server that asked
 * @param answer the response as JSON text
 * @throws {Refused<'no-signing-key'>}
 */
export async function signIntrospection(
  signer: AccessTokenSigner,
  issuer: string,
  audience: string,
  answer: string,
  moment: Moment,
): Promise<string> {
  const key = await signer.activeKey(INTROSPECTION_SIGNING_ALG);
  if (!key) throw new Refused<IssueRefusal>('no-signing-key');
  const claims = {
    iss: issuer,
    aud: audience,
    iat: toSeconds(issuedForOthers(moment)),
    token_introspection: JSON.parse(answer) as unknown,
  };
  return signer.signAs('token-introspection+jwt', key.id, claims);
}
