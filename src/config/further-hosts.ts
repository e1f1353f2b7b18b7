import { Unfit } from './unfit.ts';

const HOST =
  /^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])(:\d{1,5})?$/;
const MOST = 20;

/**
 * Further names that the server may be called by, each as it stands in the Host header.
 *
 * @returns in lower case
 * @throws {Unfit} naming the entry at fault
 */
export function parseFurtherHosts(sent: string): readonly string[] {
  const entries = sent.split(',').map(entry => entry.trim());
  if (entries.length > MOST) throw new Unfit(`more than ${MOST} entries`);
  return entries.map(entry => {
    const host = entry.toLowerCase();
    if (host.length > 260 || !HOST.test(host) || !URL.canParse(`http://${host}`)) {
      throw new Unfit(`"${entry.slice(0, 50)}" is no host name or address with a port or without`);
    }
    return host;
  });
}
