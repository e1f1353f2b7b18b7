import { BlockList, isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Context } from 'koa';

/** As `BlockList.addSubnet` takes it. */
export interface TrustedNetwork {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

/**
 * Finds the address a request came from (I14). Forwarded headers are believed only from listed proxies, from right to left, so
 * that a caller can add entries but never replace the one a trusted proxy wrote. What is no address, and whatever stands to the
 * left of it, is not believed.
 *
 * @param trustedProxies networks whose proxies are believed; none by default
 * @returns one spelling for each address: it is recorded and limited by
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
      .map(entry => entry.trim())
      .filter(entry => entry !== '');
    let address = peer;
    for (const entry of forwarded.reverse()) {
      const hop = readEntry(entry);
      if (hop === undefined) return address;
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

const IPV6_IN_BRACKETS = /^\[([^\]]+)\](?::(\d{1,5}))?$/;
const IPV4_WITH_PORT = /^([\d.]+):(\d{1,5})$/;

/**
 * Reads an entry of X-Forwarded-For as proxies write them: an address, or an address with its port, in the forms of RFC 3986
 * section 3.2.2. An IPv6 address with a port is in brackets.
 *
 * @returns the address as RFC 5952 writes it, an IPv4 one never as IPv6; undefined for anything else, names and zones too
 */
function readEntry(entry: string): string | undefined {
  const [, bracketed, bracketedPort = '0'] = IPV6_IN_BRACKETS.exec(entry) ?? [];
  if (bracketed !== undefined) return isPort(bracketedPort) ? readIpv6(bracketed) : undefined;
  const [, address = entry, port = '0'] = IPV4_WITH_PORT.exec(entry) ?? [];
  if (isIPv4(address)) return isPort(port) ? address : undefined;
  return readIpv6(entry);
}

function isPort(digits: string): boolean {
  return Number(digits) <= 65_535;
}

function readIpv6(text: string): string | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();
}
