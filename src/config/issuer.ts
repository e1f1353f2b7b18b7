import { Unfit } from './unfit.ts';

const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];
const UNSPECIFIED_HOSTS: readonly string[] = ['0.0.0.0', '[::]'];
const LONGEST = 200;

/**
 * Reads an issuer identifier (RFC 8414 section 2). Clients compare it byte by byte with the one they know (section 3.3), so
 * only its canonical spelling is taken and nothing is corrected silently.
 *
 * @throws {Unfit} naming the canonical spelling where there is one
 */
export function parseIssuer(sent: string): string {
  if (sent.length > LONGEST) throw new Unfit(`it is longer than ${LONGEST} characters`);
  const url = URL.parse(sent);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new Unfit('it is not an absolute http or https URL');
  }
  if (url.username !== '' || url.password !== '') throw new Unfit('it has a user name or password in it');
  if (/[?#]/.test(sent)) throw new Unfit('it has a query or a fragment');
  if (UNSPECIFIED_HOSTS.includes(url.hostname)) throw new Unfit('no client can call that address');
  if (url.protocol === 'http:' && !LOOPBACK_HOSTS.includes(url.hostname)) {
    throw new Unfit('anybody on the way could read and change what http carries');
  }
  if (url.hostname.endsWith('.') || /%|\/\//.test(url.pathname)) {
    throw new Unfit('its host ends with a dot, or its path has a percent sign or a double slash');
  }
  const canonical = url.href.replace(/\/+$/, '');
  if (sent !== canonical) throw new Unfit(`did you mean "${canonical}"?`);
  return canonical;
}

/**
 * The issuer of a server that was given none: this machine alone can reach it. Its host is `localhost`, since browsers refuse
 * passkeys on an address (WebAuthn section 5.1.3: the effective domain has to be a domain).
 *
 * @param port the port that is really listened on, never 0
 * @param tls  whether the server speaks TLS itself
 */
export function localIssuer(port: number, tls: boolean): string {
  return new URL(`${tls ? 'https' : 'http'}://localhost:${port}`).origin;
}
