import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A network of addresses; its members fit `BlockList.addSubnet`. */
export interface Network {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Networks to look addresses up in. A `BlockList` for each family: in one, an IPv4 address matches the IPv6 network of mapped ones. */
export class NetworkList {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() };

  constructor(networks: Iterable<readonly [address: string, prefixLength: number]>) {
    for (const [address, prefixLength] of networks) {
      const family = familyOf(address);
      if (!family) throw new TypeError(`no address: ${address}`);
      this.#lists[family].addSubnet(address, prefixLength, family);
    }
  }

  has(address: string): boolean {
    const family = familyOf(address);
    return family !== undefined && this.#lists[family].check(address, family);
  }
}

/**
 * Where nothing is ever sent, whatever an operator allows. Clouds keep credentials of the machine at the first group of
 * addresses, and hand them to whoever can make it send a request. The others are no places at all, or another spelling of an
 * IPv4 address, which would be a way around every rule about that address.
 */
const NEVER = new NetworkList([
  // The machine's own metadata: AWS, GCP, Azure, Alibaba, Oracle, Scaleway and others, mostly link-local (RFC 3927, RFC 4291).
  ['169.254.0.0', 16],
  ['fe80::', 10],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
  ['fd00:ec2::', 32],
  ['fd20:ce::', 32],
  ['fd00:42::42', 128],
  // "This host" (RFC 1122 section 3.2.1.3), which systems connect to loopback; multicast; broadcast.
  ['0.0.0.0', 8],
  ['::', 128],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
  ['ff00::', 8],
  // IPv4 inside IPv6: mapped and compatible (RFC 4291 section 2.5.5), translated (RFC 2765, RFC 6052, RFC 8215), 6to4, Teredo.
  ['::ffff:0:0', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['2001::', 32],
]);
/** IPv4-compatible addresses, with one among them that is another thing (RFC 4291 sections 2.5.3 and 2.5.5.1). */
const COMPATIBLE = new NetworkList([['::', 96]]);
const LOOPBACK_IPV6 = new NetworkList([['::1', 128]]);

/** RFC 4291 section 2.4: what IANA has given out as global unicast is all in here. */
const GLOBAL_UNICAST = new NetworkList([['2000::', 3]]);

/**
 * Whether the server may open a connection to an address.
 *
 * @param address as a name server or a URL parser spells it
 * @param isVouchedFor whether the operator has allowed the address, or the name that led to it
 */
export function isAddressPermitted(address: string, isVouchedFor: boolean): boolean {
  if (!familyOf(address) || NEVER.has(address)) return false;
  if (COMPATIBLE.has(address) && !LOOPBACK_IPV6.has(address)) return false;
  return isVouchedFor || isPublicAddress(address);
}

/**
 * Whether an address is one of the public Internet: no special-purpose range of IANA's registries (RFC 6890), and for IPv6 in
 * global unicast space without an IPv4 address in it.
 */
export function isPublicAddress(address: string): boolean {
  if (!familyOf(address) || NEVER.has(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  if (parsed.kind() === 'ipv4') return true;
  return GLOBAL_UNICAST.has(address) && !isIsatap(parsed as ipaddr.IPv6);
}

export function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  // With a zone (RFC 4007) it is an address of this machine's own links.
  if (address.includes('%')) return undefined;
  const version = isIP(address);
  if (version === 0) return undefined;
  return version === 4 ? 'ipv4' : 'ipv6';
}

/** RFC 5214 section 6.1: tunnels to the IPv4 address that ends it. */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return ((parts[4] ?? 0) & 0xfdff) === 0 && parts[5] === 0x5efe;
}
