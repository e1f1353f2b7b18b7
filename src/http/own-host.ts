import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { Refused } from '../errors.ts';
import { shown } from '../input/index.ts';
import { normalHost } from '../text/index.ts';

/** Refusals of a request for whom it is sent to, or for a header that would have to be chosen from. */
export type AddresseeRefusal = 'header-repeated' | 'target-foreign' | 'host-foreign';

/** Whom requests may be sent to, besides the host of the issuer. */
export interface OwnHosts {
  readonly issuer: URL;
  /** Each as it stands in Host, port included where it is not the default one. */
  readonly furtherHosts: readonly string[];
}

/** RFC 9112 section 3.2.2. */
const ABSOLUTE_FORM = /^([a-z][a-z0-9+.-]*:)\/\/([^/?#]*)([^#]*)$/i;

/**
 * Makes the check that a request is sent to us (I14): by its target, where that names a host (RFC 9112 section 3.2.2), otherwise
 * by Host. The spelling of the issuer is compared first, and only another one is brought to its normal form (RFC 9110 section
 * 4.2.3).
 *
 * @returns to be called with `isAnywhere` for what answers under any host. A target with a host is cut to its path for whoever
 *   comes after
 * @throws {Refused<AddresseeRefusal>} from what is returned
 */
export function ownHostCheck({
  issuer,
  furtherHosts,
}: OwnHosts): (ctx: Context, isAnywhere: (path: string) => boolean) => void {
  const { host, protocol } = issuer;
  const own = new Set([host, ...furtherHosts].map(each => normalHost(each, protocol)));
  const isOwn = (sent: string): boolean => {
    const normal = normalHost(sent, protocol);
    return normal !== undefined && own.has(normal);
  };
  return (ctx, isAnywhere) => {
    const repeated = repeatedHeader(ctx.req);
    if (repeated !== undefined) {
      throw new Refused<AddresseeRefusal>('header-repeated', { parameter: repeated, permitted: ['once'] });
    }
    const { url = '' } = ctx.req;
    if (!url.startsWith('/') && url !== '*') {
      const [, scheme = '', authority = '', rest = ''] = ABSOLUTE_FORM.exec(url) ?? [];
      if (scheme.toLowerCase() !== protocol || !isOwn(authority)) {
        const permitted = [issuer.origin];
        throw new Refused<AddresseeRefusal>('target-foreign', { sent: shown(url), permitted });
      }
      ctx.req.url = rest.startsWith('/') ? rest : `/${rest}`;
      ctx.originalUrl = ctx.req.url;
      return;
    }
    const sent = ctx.req.headers.host ?? '';
    if (sent === host || isAnywhere(ctx.path) || isOwn(sent)) return;
    throw new Refused<AddresseeRefusal>('host-foreign', { parameter: 'Host', sent, permitted: [host] });
  };
}

/**
 * The headers that may be there once and that something is decided by (RFC 9110 section 5.3, RFC 9112 section 3.2). Node.js takes
 * the first of several lines; a proxy in front may have gone by the last.
 */
const ONCE: readonly string[] = ['host', 'authorization', 'content-type'];

/** The first of those headers that is there twice. */
function repeatedHeader({ rawHeaders }: IncomingMessage): string | undefined {
  let seen = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    // By far the most names are of other lengths, and are not looked at.
    if (name.length !== 4 && name.length !== 12 && name.length !== 13) continue;
    const which = ONCE.indexOf(name.toLowerCase());
    if (which === -1) continue;
    if (seen & (1 << which)) return name;
    seen |= 1 << which;
  }
  return undefined;
}
