/** Applications that run in a browser: which pages may call the endpoints where public clients come (CORS). */
import type { Context } from 'koa';
import type { ClientDirectory } from '../clients/index.ts';
import type { FormFields } from '../oauth.ts';

/** What a page may read of an answer besides its body. */
const READABLE_HEADERS = 'DPoP-Nonce, Error-Ref, Retry-After, WWW-Authenticate';

/**
 * Says to a browser that a page may send its request. Which client it is for is not known before that, so that this permits no more than a
 * form could send anyway: whether the request is answered, and the answer may be read, is decided by `pagesOf`.
 */
export function answerPreflight(ctx: Context): void {
  ctx.set({
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'POST',
    'Access-Control-Allow-Headers': 'Content-Type, DPoP, MCP-Protocol-Version',
    'Access-Control-Max-Age': '3600',
  });
  ctx.status = 204;
}

/**
 * Admits the pages of public clients: those of an origin to which the client has people sent back. Who has a secret keeps it on a server,
 * and has no page that comes here.
 */
export function pagesOf(clients: ClientDirectory, ctx: Context) {
  return async (origin: string, form: FormFields): Promise<boolean> => {
    const client = await clients.findClient(form.get('client_id') ?? '', ctx.state['origin'].latest);
    const isAdmitted =
      client?.credential.method === 'none' &&
      // Sandboxed pages of any site call their origin null, and so does a URL of a private scheme.
      origin !== 'null' &&
      client.redirectUris?.some(uri => new URL(uri).origin === origin) === true;
    if (isAdmitted) {
      ctx.set('Access-Control-Allow-Origin', origin);
      ctx.set('Access-Control-Expose-Headers', READABLE_HEADERS);
    }
    return isAdmitted;
  };
}
