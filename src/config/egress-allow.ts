import { isIP } from 'node:net';
import { type ProxyNetwork, parseNetwork } from './trusted-proxies.ts';
import { Unfit } from './unfit.ts';

/** The internal places that the server may fetch from. */
export interface EgressAllowList {
  /** In lower case. */
  readonly hosts: readonly string[];
  readonly networks: readonly ProxyNetwork[];
}

const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const MOST = 100;

/** @throws {Unfit} naming the entry at fault */
export function parseEgressAllow(sent: string): EgressAllowList {
  const entries = sent.split(',').map(entry => entry.trim());
  if (entries.length > MOST) throw new Unfit(`more than ${MOST} entries`);
  const isNetwork = (entry: string): boolean => entry.includes('/') || isIP(entry) !== 0;
  return {
    hosts: entries.filter(entry => !isNetwork(entry)).map(parseHost),
    networks: entries
      .filter(isNetwork)
      .map(entry => parseNetwork(entry, 'is wider than any internal network')),
  };
}

function parseHost(entry: string): string {
  const host = entry.toLowerCase();
  // Digits at the end would make it an IPv4 address in one of its other spellings.
  if (!HOST.test(host) || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(host)) {
    throw new Unfit(`"${entry.slice(0, 50)}" is no host name, no address and no network`);
  }
  return host;
}
