import test from 'ava';
import fc from 'fast-check';
import { isAddressPermitted, isPublicAddress } from '../../src/egress/address-rule.ts';
import { INTERNAL_IPV4, INTERNAL_IPV6 } from './ssrf-corpus.ts';

/** IANA's IPv4 special-purpose registry (RFC 6890), multicast and reserved, typed in anew: first address and prefix length. */
const SPECIAL_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['168.63.129.16', 32],
] as const;

const toNumber = (address: string): number =>
  address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
const toAddress = (number: number): string =>
  [24, 16, 8, 0].map(shift => Math.floor(number / 2 ** shift) % 256).join('.');

function isSpecial(number: number): boolean {
  return SPECIAL_IPV4.some(([address, prefix]) => {
    const size = 2 ** (32 - prefix);
    return Math.floor(number / size) === Math.floor(toNumber(address) / size);
  });
}

/** Any address, and often one at the edge of a range. */
const ipv4Number = fc.oneof(
  fc.nat(2 ** 32 - 1),
  fc
    .tuple(fc.constantFrom(...SPECIAL_IPV4), fc.integer({ min: -2, max: 2 }), fc.boolean())
    .map(([[address, prefix], offset, atEnd]) => {
      const edge = toNumber(address) + (atEnd ? 2 ** (32 - prefix) : 0) + offset;
      return Math.min(2 ** 32 - 1, Math.max(0, edge));
    }),
);
const hextet = fc.nat(0xffff).map(part => part.toString(16));
const ipv6 = fc.array(hextet, { minLength: 8, maxLength: 8 }).map(parts => parts.join(':'));

test('R104: an IPv4 address is public exactly where the registries have nothing special', t => {
  fc.assert(
    fc.property(ipv4Number, number => {
      t.is(isPublicAddress(toAddress(number)), !isSpecial(number), toAddress(number));
    }),
    { numRuns: 20_000 },
  );
});

test('R104: an IPv4 address inside an IPv6 one is never permitted, whatever is allowed', t => {
  const inside = fc.tuple(ipv4Number, fc.nat(7), ipv6).map(([number, form, random]) => {
    const hex = `${Math.floor(number / 65_536).toString(16)}:${(number % 65_536).toString(16)}`;
    const tail = random.split(':').slice(0, 5).join(':');
    return [
      `::ffff:${hex}`,
      `::ffff:${toAddress(number)}`,
      `::ffff:0:${hex}`,
      `64:ff9b::${hex}`,
      `64:ff9b:1:${random.split(':').slice(0, 3).join(':')}:${hex}`,
      `2002:${hex}:${tail}`,
      `2001:0:${random.split(':').slice(0, 4).join(':')}:${hex}`,
      `::1:${hex}`.replace('::1:', '::'),
    ][form] as string;
  });
  fc.assert(
    fc.property(inside, address => {
      const isLoopback = address === '::0:1';
      t.is(isAddressPermitted(address, true), isLoopback, address);
      t.false(isAddressPermitted(address, false), address);
    }),
    { numRuns: 5_000 },
  );
});

test('R104: an IPv6 address outside global unicast space is not public', t => {
  fc.assert(
    fc.property(ipv6, address => {
      const first = Number.parseInt(address.split(':')[0] ?? '', 16);
      if (first < 0x2000 || first > 0x3fff) t.false(isPublicAddress(address), address);
      if (first >= 0x2a00 && first < 0x2e00 && !/5efe/.test(address))
        t.true(isPublicAddress(address), address);
    }),
    { numRuns: 10_000 },
  );
});

test('what is no address in its one spelling is not permitted', t => {
  fc.assert(
    fc.property(fc.string(), text => {
      if (!/^[0-9a-f.:]+$/i.test(text)) t.false(isAddressPermitted(text, true), text);
    }),
  );
  for (const text of [
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '10.0.0.1%eth0',
    '::1%lo',
    'localhost',
  ])
    t.false(isAddressPermitted(text, true), text);
});

test('known addresses: public ones are, internal ones are not', t => {
  for (const address of ['1.1.1.1', '8.8.8.8', '93.184.216.34', '2606:4700::1111', '2001:4860:4860::8888'])
    t.true(isPublicAddress(address), address);
  for (const address of [...INTERNAL_IPV4, ...INTERNAL_IPV6]) t.false(isPublicAddress(address), address);
});

test('what an operator vouches for is permitted where it is a place at all', t => {
  for (const address of ['127.0.0.1', '::1', '10.1.2.3', '192.168.0.1', 'fd12:3456::1', '100.64.1.1'])
    t.true(isAddressPermitted(address, true), address);
});
