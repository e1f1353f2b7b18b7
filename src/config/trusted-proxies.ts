import { BlockList, isIP } from 'node:net';
import { Unfit } from './unfit.ts';

/** A network of addresses; its members fit `BlockList.addSubnet`. */
export interface ProxyNetwork {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** The widest private networks are 10.0.0.0/8 and fd00::/8: whatever is wider is a mistake that trusts strangers. */
const SHORTEST_PREFIX = 8;
const MOST = 100;

/** @throws {Unfit} naming the entry at fault */
export function parseTrustedProxies(sent: string): readonly ProxyNetwork[] {
  const entries = sent.split(',').map(entry => entry.trim());
  if (entries.length > MOST) throw new Unfit(`more than ${MOST} entries`);
  return entries.map(entry => parseNetwork(entry, 'would trust strangers'));
}

/**
 * @param whyNotWider what is said of a network that is wider than the widest private one
 * @throws {Unfit}
 */
export function parseNetwork(entry: string, whyNotWider: string): ProxyNetwork {
  const [address = '', prefix, ...rest] = entry.split('/');
  const version = isIP(address);
  const widest = version === 4 ? 32 : 128;
  if (
    version === 0 ||
    address.includes('%') ||
    rest.length > 0 ||
    !/^(0|[1-9]\d{0,2})$/.test(prefix ?? '0')
  ) {
    throw new Unfit(`"${entry.slice(0, 50)}" is no address and no network`);
  }
  const prefixLength = prefix === undefined ? widest : Number(prefix);
  if (prefixLength > widest) throw new Unfit(`"${entry}" has a prefix longer than ${widest}`);
  if (prefixLength < SHORTEST_PREFIX) throw new Unfit(`"${entry}" ${whyNotWider}`);
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (family === 'ipv6' && coversMappedIpv4(address, prefixLength)) {
    throw new Unfit(`"${entry}" covers IPv4 addresses written as IPv6; write them as IPv4`);
  }
  return { address, prefixLength, family };
}

/** A peer seen on a dual-stack socket is `::ffff:a.b.c.d`: one short IPv6 prefix could let in all of IPv4. */
function coversMappedIpv4(address: string, prefixLength: number): boolean {
  const network = new BlockList();
  network.addSubnet(address, prefixLength, 'ipv6');
  const mapped = new BlockList();
  mapped.addSubnet('::ffff:0:0', 96, 'ipv6');
  return network.check('::ffff:0:0', 'ipv6') || mapped.check(address, 'ipv6');
}
