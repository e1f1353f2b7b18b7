const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d*))?$/;

/**
 * A host with its port, as it is compared: in lower case, and without the default port of the scheme (RFC 3986 sections 6.2.2.1 and
 * 6.2.3). Nothing else is equated: what only a lenient parser would take for the same is another one.
 *
 * @param protocol as `URL` has it, with the colon
 * @returns undefined for what is no host
 */
export function normalHost(sent: string, protocol: string): string | undefined {
  const [, name, port = ''] = HOST.exec(sent.toLowerCase()) ?? [];
  if (name === undefined) return undefined;
  return port === '' || port === DEFAULT_PORTS[protocol] ? name : `${name}:${port}`;
}
