import { Secret } from './secret.ts';
import { Unfit } from './unfit.ts';

/** Where records are kept. A MongoDB URI may hold a password, so all of it is a secret. */
export type StoreLocation =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'mongodb'; readonly uri: Secret };

/**
 * Options of a MongoDB URI that would undo what the store promises, whatever the code asks for. Names in lower case: the driver
 * ignores their case.
 */
const MONGODB_OPTIONS: Readonly<Record<string, { readonly only: string; readonly why: string }>> = {
  w: { only: 'majority', why: 'a failover could take back a revocation that was acknowledged' },
  journal: { only: 'true', why: 'a crash could take back a revocation that was acknowledged' },
  readpreference: { only: 'primary', why: 'a secondary can bring back a consumed code or a revoked token' },
  readconcernlevel: { only: 'majority', why: 'a failover could take back what was read' },
  retrywrites: { only: 'true', why: 'a lost answer would leave a single-use code in doubt' },
  retryreads: { only: 'true', why: 'every network fault would be a refusal' },
  tls: { only: 'true', why: 'it switches encryption off' },
  ssl: { only: 'true', why: 'it switches encryption off' },
  tlsinsecure: { only: 'false', why: 'anybody could play the database' },
  tlsallowinvalidcertificates: { only: 'false', why: 'anybody could play the database' },
  tlsallowinvalidhostnames: { only: 'false', why: 'anybody with a certificate could play the database' },
};

/** A user name, and a password: what else than these characters is in them has to be escaped (RFC 3986 section 3.2.1). */
const CREDENTIALS = /^(?:(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})+(?::(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*)?)?$/i;
/** A name or an address with a port, or the path of a socket, escaped. */
const HOST = /^(?:[\w.-]+|\[[0-9a-f:.]+\]|(?:[\w.-]|%[0-9a-f]{2})+\.sock)(?::\d{1,5})?$/i;
const DATABASE = /^[\w-]{1,63}$/;

/** @throws {Unfit} with a reason that names options, never hosts, users or passwords */
export function parseStoreLocation(sent: string): StoreLocation {
  if (sent.startsWith('sqlite:'))
    return { kind: 'sqlite', path: parseSqlitePath(sent.slice('sqlite:'.length)) };
  if (/^mongodb(\+srv)?:\/\//.test(sent)) {
    checkMongodbUri(sent);
    return { kind: 'mongodb', uri: new Secret(sent) };
  }
  throw new Unfit('it names neither store');
}

function parseSqlitePath(path: string): string {
  if (path === '') throw new Unfit('the path is missing');
  if (path === ':memory:') throw new Unfit('a store in memory forgets every revocation');
  if (path.startsWith('//')) throw new Unfit('sqlite: is followed by the path at once, without //');
  // `file:` URIs can switch off locking, durability and the write-ahead log (mode=memory, nolock, immutable, vfs).
  if (/^file:/i.test(path)) throw new Unfit('the path may not be a file: URI');
  if (path.includes('\0') || path !== path.trim())
    throw new Unfit('the path begins or ends with white space, or has a NUL in it');
  if (path.endsWith('/')) throw new Unfit('the path names a directory, not a file');
  return path;
}

function checkMongodbUri(uri: string): void {
  // Several hosts may be listed, so this is no URL in the sense of the WHATWG standard.
  const after = uri.slice(uri.indexOf('://') + 3);
  const credentials = after.slice(0, Math.max(after.lastIndexOf('@'), 0));
  // Else a part of a password would be taken for a host, a port or a database, and named as one.
  if (!CREDENTIALS.test(credentials))
    throw new Unfit('in its user name or password a character is not escaped (as %40 for @)');
  const parts = /^(?<hosts>[^/?#\s]+)(?:\/(?<database>[^?#\s]*))?(?:\?(?<query>[^#\s]*))?$/.exec(
    after.slice(credentials === '' ? 0 : credentials.length + 1),
  );
  const { hosts = '', database = '' } = parts?.groups ?? {};
  if (parts === null || !hosts.split(',').every(host => HOST.test(host)))
    throw new Unfit('it is no MongoDB connection string');
  if (database === '') throw new Unfit('it names no database: mongodb://HOST/DATABASE');
  if (!DATABASE.test(database)) throw new Unfit('no database can have such a name');
  for (const [name, value] of new URLSearchParams(parts.groups?.['query'] ?? '')) {
    const key = name.toLowerCase();
    const rule = MONGODB_OPTIONS[key];
    if (rule === undefined) continue;
    if (value !== rule.only)
      throw new Unfit(`the option ${key} may only be ${rule.only}: otherwise ${rule.why}`);
  }
}
