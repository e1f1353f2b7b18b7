import { type SigningKey, signingKeyStatus } from '../../keys/index.ts';
import { isPublished } from '../../keys/signing-key.ts';
import { bad, type Finding, ok, warning } from './finding.ts';
import { CLOCKS_APART_MS } from './store.ts';

const PATIENCE_MS = 30_000;
/** Somebody's page, which may read metadata from anywhere. */
const FOREIGN_ORIGIN = 'https://page.example';

interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
  /** When half of the exchange was over, in milliseconds since the epoch. */
  readonly at: number;
  /** How much earlier or later than that the answer may have been written. */
  readonly unsureMs: number;
}

/**
 * Asks a server what anybody may ask it.
 *
 * @param keys those in its store, where that is at hand
 */
export async function checkServer(
  issuer: string,
  keys: readonly SigningKey[] = [],
): Promise<readonly Finding[]> {
  let seen: Seen;
  const location = metadataLocation(issuer);
  try {
    seen = await get(location);
  } catch (error) {
    return [bad('issuer', `${location} cannot be reached: ${reasonOf(error)}`, mendReach(issuer, error))];
  }
  if (seen.status !== 200) {
    return [
      bad(
        'issuer',
        `${location} answers ${seen.status}`,
        seen.status === 421
          ? 'the server has another issuer: set COUNTERSIGN_ISSUER to the URL that clients use'
          : 'a proxy in front must pass on /.well-known/ and the path of the issuer',
      ),
    ];
  }
  return [
    ...checkMetadata(issuer, seen),
    ...checkClock(seen),
    ...checkOrigins(seen),
    ...(await checkReadiness(issuer)),
    ...(await checkJwks(seen.body['jwks_uri'], keys)),
  ];
}

/** Where RFC 8414 section 3 has the metadata of an issuer: between its host and its path. */
function metadataLocation(issuer: string): string {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`;
}

function checkMetadata(issuer: string, { body }: Seen): readonly Finding[] {
  if (body['issuer'] !== issuer) {
    return [
      bad(
        'metadata',
        `the server at ${issuer} calls itself ${JSON.stringify(body['issuer'])}`,
        'clients compare both byte by byte: set COUNTERSIGN_ISSUER to the URL that they use, or use the other one',
      ),
    ];
  }
  const foreign = Object.entries(body).filter(
    ([name, value]) => /(_endpoint|_uri)$/.test(name) && !String(value).startsWith(`${issuer}/`),
  );
  if (foreign.length > 0) {
    return foreign.map(([name, value]) =>
      bad(
        'metadata',
        `${name} is ${String(value)}, not below the issuer`,
        'a proxy in front rewrites answers: have it leave them',
      ),
    );
  }
  return [ok('metadata', `${issuer} is what the server calls itself, and its endpoints are below it`)];
}

/** A second is lost to the header, which has no parts of one. */
function checkClock({ headers, at, unsureMs }: Seen): readonly Finding[] {
  const sent = Date.parse(headers.get('date') ?? '');
  if (Number.isNaN(sent)) return [];
  const apartMs = Math.round(at - sent - 500);
  if (Math.abs(apartMs) <= CLOCKS_APART_MS + unsureMs)
    return [ok('server clock', 'within a few seconds of this machine')];
  return [
    bad(
      'server clock',
      `${Math.abs(Math.round(apartMs / 1000))} s ${apartMs > 0 ? 'behind' : 'ahead of'} this machine`,
      'keep both by NTP: proofs and tokens are judged by it',
    ),
  ];
}

function checkOrigins({ headers }: Seen): readonly Finding[] {
  if (headers.get('access-control-allow-origin') === '*')
    return [ok('browsers', 'pages of any origin may read the metadata')];
  return [
    warning(
      'browsers',
      'the metadata cannot be read by pages: Access-Control-Allow-Origin is missing',
      'a proxy in front takes the header away: have it leave it, or clients in browsers find no endpoint',
    ),
  ];
}

/** `/readyz` answers beside the issuer's path, and proxies often keep it to themselves. */
async function checkReadiness(issuer: string): Promise<readonly Finding[]> {
  try {
    const { status, body } = await get(`${new URL(issuer).origin}/readyz`);
    const checks = Object.entries((body['checks'] ?? {}) as Readonly<Record<string, string>>);
    if (status === 404 || checks.length === 0) return [];
    const failing = checks.filter(([, state]) => state !== 'ok');
    if (failing.length === 0) return [ok('readiness', `ready: ${checks.map(([name]) => name).join(', ')}`)];
    const make = status === 200 ? warning : bad;
    return failing.map(([name, state]) =>
      make('readiness', `${name}: ${state}`, 'the log of the server says more'),
    );
  } catch {
    return [];
  }
}

async function checkJwks(uri: unknown, keys: readonly SigningKey[]): Promise<readonly Finding[]> {
  if (typeof uri !== 'string')
    return [bad('public keys', 'the metadata names no jwks_uri', 'is that a Countersign server?')];
  let served: readonly { readonly kid?: string }[];
  try {
    const { status, body } = await get(uri);
    if (status !== 200 || !Array.isArray(body['keys'])) {
      return [
        bad(
          'public keys',
          `${uri} answers ${status}`,
          'a proxy in front must pass it on: nobody can verify a JWT without it',
        ),
      ];
    }
    served = body['keys'];
  } catch (error) {
    return [
      bad('public keys', `${uri} cannot be reached: ${reasonOf(error)}`, 'a proxy in front must pass it on'),
    ];
  }
  const published = keys.filter(key => isPublished(signingKeyStatus(key, Date.now())));
  const missing = published.filter(({ id }) => !served.some(({ kid }) => kid === id));
  if (missing.length > 0) {
    return missing.map(({ id }) =>
      bad(
        'public keys',
        `${id} of the store is not served at ${uri}`,
        'something in between keeps an old answer, or that server has another store',
      ),
    );
  }
  return [
    ok(
      'public keys',
      `${served.length} at ${uri}${keys.length > 0 ? ', and all of the store are among them' : ''}`,
    ),
  ];
}

async function get(url: string): Promise<Seen> {
  const before = Date.now();
  const response = await fetch(url, {
    redirect: 'manual',
    headers: { Origin: FOREIGN_ORIGIN },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const after = Date.now();
  const body = (await response.json().catch(() => ({}))) as Seen['body'];
  return {
    status: response.status,
    headers: response.headers,
    body,
    at: (before + after) / 2,
    unsureMs: Math.abs(after - before) / 2,
  };
}

function reasonOf(error: unknown): string {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error
    ? cause.message || ('code' in cause ? String(cause.code) : cause.name)
    : String(cause);
}

function mendReach(issuer: string, error: unknown): string {
  const reason = reasonOf(error);
  if (reason.includes('ECONNREFUSED'))
    return 'start the server (countersign start), or have its proxy pass requests on';
  if (/certificate|self-signed/i.test(reason))
    return 'give the server a certificate that clients trust; here, NODE_EXTRA_CA_CERTS names an authority of your own';
  return `see that ${new URL(issuer).host} leads to the server from this machine`;
}
