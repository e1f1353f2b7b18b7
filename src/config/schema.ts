import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { z } from 'zod';
import { isPlainHttps } from '../egress/plain-https.ts';
import { parseEgressAllow } from './egress-allow.ts';
import { parseFurtherHosts } from './further-hosts.ts';
import { whyGuessable } from './guessable.ts';
import { parseIssuer } from './issuer.ts';
import { parseKeyEncryptionKey } from './key-encryption-key.ts';
import { Secret } from './secret.ts';
import { parseStoreLocation } from './store-location.ts';
import { parseTrustedProxies } from './trusted-proxies.ts';
import { text, Unfit } from './unfit.ts';
import { SERVICE_LINKS } from './unknown-names.ts';

/** One row of the table: everything that the loader, the error messages and the documentation need to know of a setting. */
export interface Setting {
  /** The environment variable. */
  readonly name: `COUNTERSIGN_${string}`;
  /** From the text sent to the typed value; its description says what is permitted. */
  readonly schema: z.ZodType<unknown, string>;
  /** The text that an absent setting stands for. It goes through the schema like any other. */
  readonly default?: string;
  /** What happens when the setting is absent and there is no default. */
  readonly whenAbsent?: string;
  /** One sentence: what it does, and what goes wrong with a wrong value. */
  readonly consequence: string;
  /** Never shown in messages or logs. */
  readonly secret?: true;
  /** The variable itself is the path of the file that holds the value. A secret without this can be given either way. */
  readonly fileOnly?: true;
}

/** Each is tried by its name, so more would only be kept for too long. */
const MAX_OLDER_KEYS = 8;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const TRACES = ['off', 'on'] as const;

const DPOP_NONCES = ['optional', 'required'] as const;
export type DpopNoncePolicy = (typeof DPOP_NONCES)[number];

/**
 * Every setting there is, by its name in TypeScript, which carries the unit. To add one, add a row, use the property in
 * `load.ts` if it belongs to a group, and run `npm run docs`.
 */
export const SETTINGS = {
  issuer: {
    name: 'COUNTERSIGN_ISSUER',
    schema: text(
      'https://HOST[:PORT][/PATH] in its canonical spelling, without slash at the end, query, fragment or user name; http:// only for localhost, 127.0.0.1 and [::1]',
      parseIssuer,
    ),
    whenAbsent: 'http://localhost:PORT, or https://localhost:PORT with TLS of its own',
    consequence:
      'The name of this server in every token and every URL it gives out; clients compare it byte by byte, and changing it makes all tokens and client configurations invalid.',
  },
  furtherHosts: {
    name: 'COUNTERSIGN_FURTHER_HOSTS',
    schema: text(
      'HOST or HOST:PORT as it stands in the Host header, separated by commas; without a port the default one of the issuer’s scheme',
      parseFurtherHosts,
    ),
    whenAbsent: 'it answers under the host of its issuer only',
    consequence:
      'Names besides the issuer’s by which it may be called, such as one inside a cluster; what it says of itself stays the issuer, and a name that others can take lets their pages speak to it.',
  },
  host: {
    name: 'COUNTERSIGN_HOST',
    schema: text('an IP address or a host name to listen on', parseHost),
    default: '127.0.0.1',
    consequence:
      'The address that is listened on; 0.0.0.0 or :: opens the server to every network of the machine, so put TLS on it or in front of it.',
  },
  port: {
    name: 'COUNTERSIGN_PORT',
    schema: text('a whole number from 0 to 65535', parsePort),
    default: '4444',
    consequence:
      'The TCP port that is listened on; 0 takes any free one, and without an issuer the issuer then changes at every start.',
  },
  store: {
    name: 'COUNTERSIGN_STORE',
    schema: text(
      'sqlite:PATH (a file on a local disk), mongodb://… or mongodb+srv://… (a replica set)',
      parseStoreLocation,
    ),
    default: 'sqlite:var/countersign.sqlite',
    consequence:
      'Where all records are kept; SQLite serves one machine, MongoDB as many processes as needed, and whoever can write there can grant anything.',
    secret: true,
  },
  dataDirectory: {
    name: 'COUNTERSIGN_DATA_DIR',
    schema: text('the path of a directory', parsePath),
    default: 'var',
    consequence:
      'Where the first start puts the files it makes, the key-encryption key and the bootstrap client; whoever reads them holds the server.',
  },
  keyEncryptionKey: {
    name: 'COUNTERSIGN_KEY_ENCRYPTION_KEY',
    schema: text(
      '32 random bytes as 64 hexadecimal digits (openssl rand -hex 32) or 43 characters of base64url',
      parseKeyEncryptionKey,
    ),
    whenAbsent:
      'with SQLite, the first start makes DATA_DIR/key-encryption-key; with MongoDB it is required, since all processes share it',
    consequence:
      'Seals the signing keys and the seeds of authenticator apps in the store; without it a copy of the store cannot sign tokens, and if it is lost the server does not start.',
    secret: true,
  },
  olderKeyEncryptionKeys: {
    name: 'COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS',
    schema: text(
      'one to eight keys like the one above, separated by commas or line ends',
      parseOlderKeyEncryptionKeys,
    ),
    whenAbsent: 'a server does not start on a store that is sealed with another key-encryption key',
    consequence:
      'Keys that were the key-encryption key before: they open what they sealed and seal nothing; take one out once `keys reseal` has sealed everything with the present one.',
    secret: true,
  },
  signingKeyOverlapSeconds: {
    name: 'COUNTERSIGN_SIGNING_KEY_OVERLAP_SECONDS',
    schema: wholeNumber(60, 604_800),
    default: '600',
    consequence:
      'How many seconds a new signing key is published before it signs; below the time for which verifiers keep the JWKS (60 seconds as we say it, often ten minutes), they refuse new tokens until they have fetched it again.',
  },
  signingKeyRotationDays: {
    name: 'COUNTERSIGN_SIGNING_KEY_ROTATION_DAYS',
    schema: wholeNumber(0, 3650),
    default: '90',
    consequence:
      'How many days a signing key signs before a successor is made by itself; 0 leaves rotation to whoever calls for it, and a key that has leaked unnoticed then signs for ever.',
  },
  bootstrapClientId: {
    name: 'COUNTERSIGN_BOOTSTRAP_CLIENT_ID',
    schema: text('agt_ and 32 hexadecimal digits in lower case', parseAgentId),
    whenAbsent: 'the first start makes a client and writes it to a file in DATA_DIR',
    consequence:
      'The client that the first administrator uses; given together with its secret or not at all.',
  },
  bootstrapClientSecret: {
    name: 'COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET',
    schema: text('43 to 256 random characters of the base64url alphabet: A-Z a-z 0-9 - _', parseClientSecret),
    whenAbsent: 'the first start makes a client and writes it to a file in DATA_DIR',
    consequence:
      'The secret of that client; whoever knows it administers the server. It is applied when it is another than before: one that was replaced through the API stays replaced.',
    secret: true,
  },
  accessTokenTtlSeconds: {
    name: 'COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS',
    schema: wholeNumber(30, 3600),
    default: '300',
    consequence:
      'How many seconds an access token lives at most, unless its resource or agent says less; a stolen token is of use for that long if nobody notices.',
  },
  assertionLifetimeSeconds: {
    name: 'COUNTERSIGN_ASSERTION_LIFETIME_SECONDS',
    schema: wholeNumber(60, 3600),
    default: '300',
    consequence:
      'For how many seconds a signed client assertion may be good at most; some libraries make them for an hour (Authlib: 3600) and are refused until it is as much. One that is stolen unused is of use for that long.',
  },
  trustedProxies: {
    name: 'COUNTERSIGN_TRUSTED_PROXIES',
    schema: text(
      'IP addresses and networks like 10.0.0.0/8, separated by commas, none wider than /8',
      parseTrustedProxies,
    ),
    whenAbsent: 'no proxy is trusted: X-Forwarded-… headers are ignored',
    consequence:
      'Whose word is taken for the address of a caller, which audit and rate limits use; a network too many lets strangers choose theirs.',
  },
  egressAllow: {
    name: 'COUNTERSIGN_EGRESS_ALLOW',
    schema: text(
      'host names, IP addresses and networks like 10.0.0.0/8, separated by commas, no network wider than /8',
      parseEgressAllow,
    ),
    whenAbsent: 'only public addresses are connected to',
    consequence:
      'The internal hosts that the server may fetch from, such as clients’ keys from a jwks_uri; whoever may register clients can make it connect to them. Addresses of cloud metadata are never connected to, even if listed.',
  },
  egressCa: {
    name: 'COUNTERSIGN_EGRESS_CA_FILE',
    schema: text('the path of a PEM file: one or more CA certificates', parseCertificate),
    whenAbsent: 'the authorities that Node.js trusts',
    consequence:
      'Certificate authorities that are trusted besides those for what the server fetches; each of them can play any host that keys are fetched from.',
    fileOnly: true,
  },
  dpopNonces: {
    name: 'COUNTERSIGN_DPOP_NONCES',
    schema: oneOf(DPOP_NONCES),
    default: 'optional',
    consequence:
      'Whether a DPoP proof must carry a nonce of this server: required costs each client another request now and then, and makes proofs that were signed in advance worthless.',
  },
  logLevel: {
    name: 'COUNTERSIGN_LOG_LEVEL',
    schema: oneOf(LOG_LEVELS),
    default: 'info',
    consequence: 'The least severe log line that is written; the audit trail does not depend on it.',
  },
  metricsPort: {
    name: 'COUNTERSIGN_METRICS_PORT',
    schema: text('a whole number from 0 to 65535', parsePort),
    whenAbsent: 'no metrics are served',
    consequence:
      'The TCP port on which GET /metrics answers Prometheus, over plain HTTP and without a token; 0 takes any free one.',
  },
  metricsHost: {
    name: 'COUNTERSIGN_METRICS_HOST',
    schema: text('an IP address or a host name to listen on', parseHost),
    default: '127.0.0.1',
    consequence:
      'The address on which metrics are served; they name nobody, but tell whoever can reach it how busy the server is.',
  },
  traces: {
    name: 'COUNTERSIGN_TRACES',
    schema: oneOf(TRACES),
    default: 'off',
    consequence:
      'Whether requests, commits and what is fetched become spans of OpenTelemetry; with on, an SDK must be registered before the server starts, or it does not.',
  },
  addressRequestsPerSecond: {
    name: 'COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND',
    schema: wholeNumber(0, 1_000_000),
    default: '1000',
    consequence:
      'How many requests per second one address may make of one process, over ten seconds, before it is answered 429; 0 for any number. This machine itself is never limited; behind a proxy that is not in COUNTERSIGN_TRUSTED_PROXIES all callers share one address.',
  },
  clientTokensPerSecond: {
    name: 'COUNTERSIGN_CLIENT_TOKENS_PER_SECOND',
    schema: wholeNumber(0, 1_000_000),
    default: '100',
    consequence:
      'How many tokens per second one client may ask of one process, over ten seconds, before it is answered 429; 0 for any number. Each token is a row on disk, so this bounds what a client gone wild can write; clients on this machine are never limited.',
  },
  unknownTokensPerSecond: {
    name: 'COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND',
    schema: wholeNumber(0, 1_000_000),
    default: '100',
    consequence:
      'How many tokens per second that are not live for it one client may ask about, give up or redeem (codes and refresh tokens) at one process, over ten seconds, before it is answered 429 instead of being told so; 0 for any number. A live token is answered at any time.',
  },
  maxConnections: {
    name: 'COUNTERSIGN_MAX_CONNECTIONS',
    schema: wholeNumber(16, 100_000),
    default: '8192',
    consequence:
      'How many connections may be open at once; one more is closed at once. Each needs a file descriptor and about 10 KiB.',
  },
  keepAliveSeconds: {
    name: 'COUNTERSIGN_KEEP_ALIVE_SECONDS',
    schema: wholeNumber(1, 3600),
    default: '65',
    consequence:
      'How many seconds a connection on which nothing is asked stays open; longer than the load balancer in front keeps its own, or a request of its may meet a connection that is being closed (502).',
  },
  stopDelaySeconds: {
    name: 'COUNTERSIGN_STOP_DELAY_SECONDS',
    schema: wholeNumber(0, 60),
    default: '0',
    consequence:
      'How many seconds a server that was told to stop still takes new connections, while /readyz says 503; behind a load balancer make it longer than two of its probes, or requests meet a closed door.',
  },
  shutdownSeconds: {
    name: 'COUNTERSIGN_SHUTDOWN_SECONDS',
    schema: wholeNumber(0, 300),
    default: '10',
    consequence:
      'How many seconds requests in progress may take to end after a stop signal before they are cut off; keep it below the grace period of whatever stops the process.',
  },
  tlsCertificate: {
    name: 'COUNTERSIGN_TLS_CERT_FILE',
    schema: text('the path of a PEM file: the server certificate, then its chain', parseCertificate),
    whenAbsent: 'plain HTTP; a proxy in front has to speak TLS for any issuer that is not on this machine',
    consequence:
      'The certificate of this server for TLS of its own; a renewed one is taken within a minute, or at once on SIGHUP.',
    fileOnly: true,
  },
  tlsPrivateKey: {
    name: 'COUNTERSIGN_TLS_KEY_FILE',
    schema: text('the path of a PEM file: the unencrypted private key of the certificate', parseTlsKey),
    whenAbsent: 'plain HTTP, as above',
    consequence: 'The private key of that certificate; whoever reads it can play this server.',
    secret: true,
    fileOnly: true,
  },
  auditCheckpointFile: {
    name: 'COUNTERSIGN_AUDIT_CHECKPOINT_FILE',
    schema: text('the path of a file', parsePath),
    whenAbsent: 'no checkpoints are signed: a holder of the store could rewrite the end of the audit trail',
    consequence:
      'The file that signed checkpoints of the audit trail are appended to; keep it, or ship it, where a holder of the store cannot change it.',
  },
  auditCheckpointKey: {
    name: 'COUNTERSIGN_AUDIT_CHECKPOINT_KEY',
    schema: text('an ES256 private key (elliptic curve P-256) in PEM, unencrypted', parseCheckpointKey),
    whenAbsent: 'no checkpoints are signed, as above',
    consequence:
      'Signs those checkpoints and never enters the store; whoever holds it and the file can forge them.',
    secret: true,
  },
  auditRetentionDays: {
    name: 'COUNTERSIGN_AUDIT_RETENTION_DAYS',
    schema: wholeNumber(1, 36_500),
    whenAbsent: 'the trail is kept for ever',
    consequence:
      'For how many days rows of the audit trail are kept in the store; older ones are removed when a checkpoint that vouches for it has been written and delivered. Export the trail first if you have to keep it longer.',
  },
  auditCheckpointUrl: {
    name: 'COUNTERSIGN_AUDIT_CHECKPOINT_URL',
    schema: text('https://HOST[:PORT]/PATH, without user name or fragment', parseReceiverUrl),
    whenAbsent: 'checkpoints go to the file alone, and whatever ships it takes them further',
    consequence:
      'Where each checkpoint is posted to as well, in order, until it is acknowledged with a status of success; let it be a place that a holder of this machine cannot change. An internal host has to be in COUNTERSIGN_EGRESS_ALLOW. The path may hold a secret, so the URL is never shown.',
    secret: true,
  },
} as const satisfies Record<string, Setting>;

export type SettingProperty = keyof typeof SETTINGS;

/** What the table yields: one value per row, `undefined` only where a row has no default. */
export type SettingValues = {
  readonly [P in SettingProperty]:
    | z.output<(typeof SETTINGS)[P]['schema']>
    | ((typeof SETTINGS)[P] extends { readonly default: string } ? never : undefined);
};

/**
 * The environment variables of a setting.
 *
 * @returns `direct` holds the value, `file` the path of a file that holds it
 */
export function variablesOf(setting: Setting): { readonly direct?: string; readonly file?: string } {
  if (setting.fileOnly) return { file: setting.name };
  return setting.secret ? { direct: setting.name, file: `${setting.name}_FILE` } : { direct: setting.name };
}

/** The rows of the table, in its order. */
export function rows(): readonly (readonly [string, Setting])[] {
  return Object.entries(SETTINGS);
}

/** What is permitted, in words. */
export function permitted(setting: Setting): string {
  return setting.schema.description ?? '';
}

/** The environment variable of a row. */
export function nameOf(property: SettingProperty): string {
  return SETTINGS[property].name;
}

function wholeNumber(least: number, most: number): z.ZodType<number, string> {
  return text(`a whole number from ${least} to ${most}`, sent => parseWholeNumber(sent, least, most));
}

function parseWholeNumber(sent: string, least: number, most: number): number {
  const value = /^(0|[1-9]\d{0,9})$/.test(sent) ? Number(sent) : Number.NaN;
  if (!(value >= least && value <= most)) throw new Unfit();
  return value;
}

function parsePort(sent: string): number {
  if (sent.startsWith('tcp://')) throw new Unfit(`Kubernetes sets this ${SERVICE_LINKS}`);
  return parseWholeNumber(sent, 0, 65_535);
}

function oneOf<T extends string>(values: readonly T[]): z.ZodType<T, string> {
  return text(values.join(', '), sent => {
    const value = values.find(each => each === sent);
    if (value === undefined) throw new Unfit();
    return value;
  });
}

function parseHost(sent: string): string {
  const isName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(sent);
  // What looks like digits and dots and is no address (127.1, 300.0.0.1) would be looked up as a name, with surprising answers.
  if (isIP(sent) === 0 && (!isName || /^[\d.]+$/.test(sent))) throw new Unfit();
  return sent;
}

function parsePath(sent: string): string {
  if (sent.includes('\0') || sent !== sent.trim())
    throw new Unfit('it begins or ends with white space, or has a NUL in it');
  return sent;
}

function parseOlderKeyEncryptionKeys(sent: string): readonly KeyObject[] {
  const keys = sent.split(/[\s,]+/).map(parseKeyEncryptionKey);
  if (keys.length > MAX_OLDER_KEYS) throw new Unfit(`they are more than ${MAX_OLDER_KEYS}`);
  if (keys.some((key, index) => keys.slice(index + 1).some(other => other.equals(key))))
    throw new Unfit('one of them is there twice');
  return keys;
}

function parseAgentId(sent: string): `agt_${string}` {
  if (!isAgentId(sent)) throw new Unfit();
  return sent;
}

function isAgentId(sent: string): sent is `agt_${string}` {
  return /^agt_[0-9a-f]{32}$/.test(sent);
}

function parseClientSecret(sent: string): Secret {
  if (!/^[A-Za-z0-9_-]{43,256}$/.test(sent)) throw new Unfit();
  const why = whyGuessable(Buffer.from(sent));
  if (why !== undefined) throw new Unfit(why);
  return new Secret(sent);
}

function parseCertificate(pem: string): string {
  try {
    new X509Certificate(pem);
    return pem;
  } catch {
    throw new Unfit('it is no certificate in PEM');
  }
}

function parseTlsKey(pem: string): Secret {
  const { asymmetricKeyType, asymmetricKeyDetails } = parsePrivateKey(pem);
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  if (asymmetricKeyType === 'rsa' && bits < 2048) throw new Unfit('an RSA key has at least 2048 bits');
  return new Secret(pem);
}

function parseCheckpointKey(pem: string): KeyObject {
  const key = parsePrivateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Unfit('it is a key of another kind');
  return key;
}

function parseReceiverUrl(sent: string): Secret {
  if (!URL.canParse(sent) || !isPlainHttps(new URL(sent)) || /\s/.test(sent) || sent.length > 2_048)
    throw new Unfit();
  return new Secret(sent);
}

function parsePrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The library's own message may speak of the content: it is dropped.
    throw new Unfit('it is no unencrypted private key in PEM');
  }
}
