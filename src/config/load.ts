import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { closestName } from './closest-name.ts';
import { localIssuer } from './issuer.ts';
import { type LogLevel, SETTINGS, type Setting, type SettingValues } from './schema.ts';
import type { Secret } from './secret.ts';
import type { StoreLocation } from './store-location.ts';
import type { ProxyNetwork } from './trusted-proxies.ts';
import { whyUnfit } from './unfit.ts';

/**
 * What the process was told, checked, typed and frozen. Secrets are held so that printing it never shows them: texts as
 * `Secret`, keys as `KeyObject`.
 */
export interface Config {
  /**
   * The issuer identifier. Undefined only when none was given and the port is 0: then it is `localIssuer(port, tls)` with the
   * port that the operating system chose, known once the server listens.
   */
  readonly issuer: string | undefined;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly store: StoreLocation;
  readonly dataDirectory: string;
  /** 32 bytes. Undefined only with SQLite: then it is read from `keyEncryptionKeyFile`, which the first start makes. */
  readonly keyEncryptionKey: KeyObject | undefined;
  /** Where a key-encryption key is kept that nobody gave. Its content obeys `parseKeyEncryptionKey`. */
  readonly keyEncryptionKeyFile: string;
  /** Undefined when the first start has to make one and write it to `bootstrapClientFile`. */
  readonly bootstrapClient: { readonly id: `agt_${string}`; readonly secret: Secret } | undefined;
  readonly bootstrapClientFile: string;
  readonly accessTokenTtlSeconds: number;
  /** Empty when forwarded headers are believed from nobody. */
  readonly trustedProxies: readonly ProxyNetwork[];
  readonly logLevel: LogLevel;
  readonly shutdownSeconds: number;
  /** Both in PEM. */
  readonly tls: { readonly certificate: string; readonly privateKey: Secret } | undefined;
  /** `privateKey` is an ES256 key. */
  readonly auditCheckpoint: { readonly file: string; readonly privateKey: KeyObject } | undefined;
}

/** The configuration is not permitted. `problems` has all of them, one line each, without any secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(['The configuration is not permitted:', ...problems].join('\n  '));
    this.problems = problems;
  }
}

/** Reads a file as text, like `fs.readFileSync`. */
export type ReadFile = (path: string, encoding: 'utf8') => string;

/** Both or neither of each pair: half of one would silently be none. */
const PAIRS = [
  ['bootstrapClientId', 'bootstrapClientSecret'],
  ['tlsCertificate', 'tlsPrivateKey'],
  ['auditCheckpointFile', 'auditCheckpointKey'],
] as const satisfies readonly (readonly [keyof typeof SETTINGS, keyof typeof SETTINGS])[];

/**
 * Reads the environment and the secret files it names, once.
 *
 * An empty value is an error, never the same as an absent one: a check is not switched off by a variable that failed to expand.
 * Names that begin with `COUNTERSIGN_TEST_` belong to the tests and are ignored.
 *
 * @param env      the process's environment
 * @param readFile for the files that `…_FILE` names
 * @returns a deeply frozen configuration
 * @throws {ConfigError} with every problem there is, not only the first
 */
export function loadConfig(env: NodeJS.ProcessEnv, readFile: ReadFile = readFileSync): Config {
  const sources = readSources(env, readFile);
  const { values, problems } = parseValues(sources.sent);
  const all = [
    ...unknownNames(env),
    ...sources.problems,
    ...problems,
    ...pairProblems(sources.given),
    ...crossProblems(values, sources),
    ...runtimeProblems(env),
  ];
  if (all.length > 0) throw new ConfigError(all);
  // Nothing was wrong, so every row that has a default or was given has its value.
  return deepFreeze(toConfig(values as SettingValues));
}

function toConfig(values: SettingValues): Config {
  const { bootstrapClientId, bootstrapClientSecret, tlsCertificate, tlsPrivateKey } = values;
  const { auditCheckpointFile, auditCheckpointKey } = values;
  const tls = tlsCertificate && tlsPrivateKey && { certificate: tlsCertificate, privateKey: tlsPrivateKey };
  const localhost = values.port === 0 ? undefined : localIssuer(values.port, tls !== undefined);
  return {
    issuer: values.issuer ?? localhost,
    host: values.host,
    port: values.port,
    store: values.store,
    dataDirectory: values.dataDirectory,
    keyEncryptionKey: values.keyEncryptionKey,
    keyEncryptionKeyFile: keyEncryptionKeyFile(values.dataDirectory),
    bootstrapClient:
      bootstrapClientId && bootstrapClientSecret
        ? { id: bootstrapClientId, secret: bootstrapClientSecret }
        : undefined,
    bootstrapClientFile: bootstrapClientFile(values.dataDirectory),
    accessTokenTtlSeconds: values.accessTokenTtlSeconds,
    trustedProxies: values.trustedProxies ?? [],
    logLevel: values.logLevel,
    shutdownSeconds: values.shutdownSeconds,
    tls: tls || undefined,
    auditCheckpoint:
      auditCheckpointFile && auditCheckpointKey
        ? { file: auditCheckpointFile, privateKey: auditCheckpointKey }
        : undefined,
  };
}

const keyEncryptionKeyFile = (dataDirectory: string) => join(dataDirectory, 'key-encryption-key');
const bootstrapClientFile = (dataDirectory: string) => join(dataDirectory, 'bootstrap-client.json');

/** A value as it was sent, and by which variable. */
interface Sent {
  readonly text: string;
  readonly name: string;
  /** The file it came from. */
  readonly path?: string;
}

interface Sources {
  readonly sent: ReadonlyMap<string, Sent>;
  /** Properties that somebody tried to give, even if it went wrong. */
  readonly given: ReadonlySet<string>;
  readonly problems: readonly string[];
}

/** Finds each setting's text, in the environment or in the file it names. */
function readSources(env: NodeJS.ProcessEnv, readFile: ReadFile): Sources {
  const sent = new Map<string, Sent>();
  const given = new Set<string>();
  const problems: string[] = [];
  for (const [property, setting] of rows()) {
    const { direct, file } = variablesOf(setting);
    const text = direct === undefined ? undefined : env[direct];
    const path = file === undefined ? undefined : env[file];
    if (text === undefined && path === undefined) continue;
    given.add(property);
    if (text !== undefined && path !== undefined) {
      problems.push(`${direct}, ${file}: both are given; permitted: one of the two`);
    } else if (direct !== undefined && text !== undefined) {
      if (text === '') problems.push(emptyProblem(direct, permitted(setting)));
      else sent.set(property, { text, name: direct });
    } else if (file !== undefined && path === '') {
      problems.push(emptyProblem(file, 'the path of a file'));
    } else if (file !== undefined && path !== undefined) {
      try {
        const content = readFile(path, 'utf8').trim();
        if (content === '')
          problems.push(`${file}: ${quote(path)} is empty; permitted: ${permitted(setting)}`);
        else sent.set(property, { text: content, name: file, path });
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
        problems.push(
          `${file}: ${quote(path)} cannot be read${code}; permitted: the path of a readable file`,
        );
      }
    }
  }
  return { sent, given, problems };
}

/** Takes each text, or the default, through its row's schema. */
function parseValues(sent: ReadonlyMap<string, Sent>): {
  values: Partial<SettingValues>;
  problems: string[];
} {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [property, setting] of rows()) {
    const source = sent.get(property);
    const text = source?.text ?? setting.default;
    if (text === undefined) continue;
    const result = setting.schema.safeParse(text);
    if (result.success) values[property] = result.data;
    else problems.push(valueProblem(setting, source, text, whyUnfit(result.error)));
  }
  return { values: values as Partial<SettingValues>, problems };
}

function valueProblem(setting: Setting, source: Sent | undefined, text: string, why?: string): string {
  const shown = setting.secret ? 'the value sent (a secret, not shown)' : quote(text);
  const what = source?.path === undefined ? shown : `the content of ${quote(source.path)}`;
  const reason = why === undefined ? '' : ` (${why})`;
  return `${source?.name ?? setting.name}: ${what} is not permitted${reason}; permitted: ${permitted(setting)}`;
}

function emptyProblem(name: string, what: string): string {
  return `${name}: "" is not permitted; permitted: ${what}, or leaving the variable out`;
}

/** A mistyped name would leave its setting at the default without a word. */
function unknownNames(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(
    rows().flatMap(([, setting]) => {
      const { direct, file } = variablesOf(setting);
      return [direct, file].filter(name => name !== undefined);
    }),
  );
  // Also in lower case: nobody else's variable begins like this.
  const unknown = Object.keys(env)
    .filter(name => /^COUNTERSIGN_(?!TEST_)/i.test(name) && !known.has(name))
    .sort();
  const kubernetes = unknown.filter(name => KUBERNETES_LINK.test(name));
  const names = [...known].map(name => name.slice(PREFIX.length));
  const problems = unknown
    .filter(name => !KUBERNETES_LINK.test(name))
    .map(name => {
      const closest = closestName(name.slice(PREFIX.length).toUpperCase(), names);
      const hint =
        closest === undefined
          ? 'permitted: the names in docs/configuration.md'
          : `did you mean ${PREFIX}${closest}?`;
      return `${name}: no such setting; ${hint}`;
    });
  if (kubernetes.length > 0) {
    problems.push(
      `${kubernetes.join(', ')}: set by Kubernetes for a Service named "countersign"; permitted: enableServiceLinks: false in the pod's spec, or another name for the Service`,
    );
  }
  return problems;
}

const PREFIX = 'COUNTERSIGN_';

/** Kubernetes describes each Service of a namespace to each pod by variables of these forms. */
const KUBERNETES_LINK = /^COUNTERSIGN_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/;

function pairProblems(given: ReadonlySet<string>): string[] {
  return PAIRS.flatMap(([one, other]) => {
    if (given.has(one) === given.has(other)) return [];
    const [present, missing] = given.has(one) ? [one, other] : [other, one];
    return `${nameOf(missing)}: missing, though ${nameOf(present)} is given; permitted: both or neither`;
  });
}

/** What is wrong only in combination. A value that is wrong by itself is not looked at again. */
function crossProblems(values: Partial<SettingValues>, { sent, given }: Sources): string[] {
  const problems: string[] = [];
  const { store, issuer, tlsCertificate, tlsPrivateKey } = values;
  if (store?.kind === 'mongodb' && !given.has('keyEncryptionKey')) {
    problems.push(
      `${nameOf('keyEncryptionKey')}: missing; with a MongoDB store it is required, since every process has to unseal the same keys; permitted: ${permitted(SETTINGS.keyEncryptionKey)}`,
    );
  }
  if (issuer?.startsWith('http://') && tlsCertificate !== undefined) {
    problems.push(
      `${nameOf('issuer')}: ${quote(issuer)} is not permitted together with ${nameOf('tlsCertificate')}; permitted: an https:// issuer`,
    );
  }
  if (tlsCertificate !== undefined && tlsPrivateKey !== undefined) {
    const certificate = new X509Certificate(tlsCertificate);
    if (!certificate.checkPrivateKey(createPrivateKey(tlsPrivateKey.reveal()))) {
      problems.push(
        `${nameOf('tlsPrivateKey')}: the key does not belong to the certificate in ${nameOf('tlsCertificate')}; permitted: the two of one pair`,
      );
    }
  }
  return [...problems, ...sharedSecrets(sent), ...sharedFiles(values, sent, given)];
}

/** One secret with two uses is lost twice when it is lost once. */
function sharedSecrets(sent: ReadonlyMap<string, Sent>): string[] {
  const users = rows().flatMap(([property, setting]) => {
    const source = sent.get(property);
    return setting.secret && source !== undefined ? [source] : [];
  });
  return users.flatMap((one, index) =>
    users
      .slice(index + 1)
      .filter(other => other.text === one.text)
      .map(other => `${one.name}, ${other.name}: both hold the same secret; permitted: one secret for each`),
  );
}

/** A file that the server writes must not be one that it reads, nor one that it writes for another purpose. */
function sharedFiles(
  values: Partial<SettingValues>,
  sent: ReadonlyMap<string, Sent>,
  given: ReadonlySet<string>,
): string[] {
  const { store, auditCheckpointFile, dataDirectory } = values;
  const written: { name: string; path: string }[] = [];
  if (store?.kind === 'sqlite') {
    // The write-ahead log and its index stand beside the file.
    for (const suffix of ['', '-wal', '-shm'])
      written.push({ name: nameOf('store'), path: store.path + suffix });
  }
  if (auditCheckpointFile !== undefined)
    written.push({ name: nameOf('auditCheckpointFile'), path: auditCheckpointFile });
  if (dataDirectory !== undefined && !given.has('keyEncryptionKey')) {
    written.push({ name: nameOf('dataDirectory'), path: keyEncryptionKeyFile(dataDirectory) });
  }
  if (dataDirectory !== undefined && !given.has('bootstrapClientId')) {
    written.push({ name: nameOf('dataDirectory'), path: bootstrapClientFile(dataDirectory) });
  }
  const read = [...sent.values()].flatMap(({ name, path }) => (path === undefined ? [] : [{ name, path }]));
  return written.flatMap((one, index) =>
    [...written.slice(index + 1), ...read]
      .filter(other => resolve(other.path) === resolve(one.path))
      .map(other => `${one.name}, ${other.name}: both use the same file; permitted: a file for each`),
  );
}

/** Switches of Node.js itself that would undo what this server promises. */
function runtimeProblems(env: NodeJS.ProcessEnv): string[] {
  const problems: string[] = [];
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    problems.push(
      'NODE_TLS_REJECT_UNAUTHORIZED: "0" is not permitted: anybody could play the servers that are called; permitted: leaving the variable out (NODE_EXTRA_CA_CERTS adds an authority of your own)',
    );
  }
  const unsafe = /--insecure-http-parser|--tls-min-v1\.[01]\b/.exec(env['NODE_OPTIONS'] ?? '');
  if (unsafe !== null) {
    problems.push(
      `NODE_OPTIONS: ${quote(unsafe[0])} is not permitted: it weakens HTTP or TLS for the whole process; permitted: NODE_OPTIONS without it`,
    );
  }
  return problems;
}

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

function nameOf(property: keyof typeof SETTINGS): string {
  return SETTINGS[property].name;
}

/** A value for an error line: on one line, of bounded length, and without the password of a URL put in the wrong place. */
function quote(value: string): string {
  const shown = value.replace(/\/\/[^@/]*@/g, '//…@');
  return JSON.stringify(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown);
}

/** Freezes plain objects and arrays all the way down; a `KeyObject` and a `Secret` cannot be changed anyway. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
