import { BlockList, isIPv6 } from 'node:net';
import type { Context } from 'koa';

/** As `BlockList.addSubnet` takes it. */
export interface TrustedNetwork {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

/**
 * Finds the address a request came from (I14). Forwarded headers are believed only from listed proxies, from right to left, so
 * that a caller can add entries but never replace the one a trusted proxy wrote.
 *
 * @param trustedProxies networks whose proxies are believed; none by default
 */
export function peerAddress(trustedProxies: readonly TrustedNetwork[]): (ctx: Context) => string {
  const trusted = new BlockList();
  for (const { address, prefixLength, family } of trustedProxies)
    trusted.addSubnet(address, prefixLength, family);
  const isTrusted = (address: string): boolean => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

  return ctx => {
    const peer = unmapped(ctx.req.socket.remoteAddress ?? '');
    if (trustedProxies.length === 0 || !isTrusted(peer)) return peer;
    const forwarded = ctx
      .get('X-Forwarded-For')
      .split(',')
      .map(entry => unmapped(entry.trim()))
      .filter(entry => entry !== '');
    let address = peer;
    for (const hop of forwarded.reverse()) {
      if (!/^[0-9a-fA-F:.]+$/.test(hop)) return address;
      address = hop;
      if (!isTrusted(hop)) return address;
    }
    return address;
  };
}

/** A dual-stack socket reports IPv4 peers as `::ffff:192.0.2.1`. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}
