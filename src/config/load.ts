import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { combinationProblems } from './combinations.ts';
import { bootstrapClientFile, keyEncryptionKeyFile } from './first-start-files.ts';
import { localIssuer } from './issuer.ts';
import { quote } from './quote.ts';
import { runtimeProblems } from './runtime-switches.ts';
import { type LogLevel, permitted, rows, type Setting, type SettingValues, variablesOf } from './schema.ts';
import type { Secret } from './secret.ts';
import { type ReadFile, readSources, type Sent, type Sources } from './sources.ts';
import type { StoreLocation } from './store-location.ts';
import type { ProxyNetwork } from './trusted-proxies.ts';
import { whyUnfit } from './unfit.ts';
import { unknownNames } from './unknown-names.ts';

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
    ...unknownNames(env, knownNames()),
    ...sources.problems,
    ...problems,
    ...combinationProblems(values, sources),
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

function knownNames(): ReadonlySet<string> {
  const names = rows().flatMap(([, setting]) => Object.values(variablesOf(setting)));
  return new Set(names);
}

/** Takes each text, or the default, through its row's schema. */
function parseValues(sent: Sources['sent']): {
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

/** Freezes plain objects and arrays all the way down; a `KeyObject` and a `Secret` cannot be changed anyway. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
