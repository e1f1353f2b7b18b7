/** https, no credentials, no fragment, and no dot at the end of the host, which would be a second spelling of it. */
export function isPlainHttps({ protocol, username, password, hash, hostname }: URL): boolean {
  const isPlain = username === '' && password === '' && hash === '';
  return protocol === 'https:' && isPlain && hostname !== '' && !hostname.endsWith('.');
}
