import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { combinationProblems } from './combinations.ts';
import { COMMAND_LINE_NAMES } from './command-line-names.ts';
import { CONFIG_FILE_NAME, readConfigFile } from './config-file.ts';
import type { EgressAllowList } from './egress-allow.ts';
import { bootstrapClientFile, firstAdministratorFile, keyEncryptionKeyFile } from './first-start-files.ts';
import { localIssuer } from './issuer.ts';
import { quote } from './quote.ts';
import { runtimeProblems } from './runtime-switches.ts';
import {
  type DpopNoncePolicy,
  type LogLevel,
  permitted,
  rows,
  type Setting,
  type SettingValues,
  variablesOf,
} from './schema.ts';
import type { Secret } from './secret.ts';
import { type ModeOf, type ReadFile, readSources, type Sent, type Sources } from './sources.ts';
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
  /** Whom requests may be sent to besides the issuer's host: as in the Host header, in lower case. Empty for nobody. */
  readonly furtherHosts: readonly string[];
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly store: StoreLocation;
  readonly dataDirectory: string;
  /** 32 bytes. Undefined only with SQLite: then it is read from `keyEncryptionKeyFile`, which the first start makes. */
  readonly keyEncryptionKey: KeyObject | undefined;
  /** Where a key-encryption key is kept that nobody gave. Its content obeys `parseKeyEncryptionKey`. */
  readonly keyEncryptionKeyFile: string;
  /** Where the key-encryption key comes from, as whoever runs the server knows it: a file, or the name of the variable. */
  readonly keyEncryptionKeySource: string;
  /** They open what they sealed, and seal nothing. */
  readonly olderKeyEncryptionKeys: readonly KeyObject[];
  readonly signingKeyOverlapSeconds: number;
  /** 0 for no rotation by schedule. */
  readonly signingKeyRotationDays: number;
  /** Undefined when the first start has to make one and write it to `bootstrapClientFile`. */
  readonly bootstrapClient: { readonly id: `agt_${string}`; readonly secret: Secret } | undefined;
  readonly bootstrapClientFile: string;
  /** Where the link for the first administrator is written, until somebody has enrolled by it. */
  readonly firstAdministratorFile: string;
  readonly accessTokenTtlSeconds: number;
  readonly assertionLifetimeSeconds: number;
  /** Empty when forwarded headers are believed from nobody. */
  readonly trustedProxies: readonly ProxyNetwork[];
  readonly egress: {
    /** Empty when only public addresses are connected to. */
    readonly allow: EgressAllowList;
    /** In PEM. */
    readonly extraCa: string | undefined;
  };
  readonly dpopNonces: DpopNoncePolicy;
  readonly logLevel: LogLevel;
  /** Whether spans are made; then an OpenTelemetry SDK must be registered. */
  readonly traces: boolean;
  /** Undefined when no metrics are served. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  /** 0 where there is no limit. */
  readonly limits: {
    readonly addressRequestsPerSecond: number;
    readonly clientTokensPerSecond: number;
    readonly unknownTokensPerSecond: number;
  };
  readonly maxConnections: number;
  readonly keepAliveSeconds: number;
  readonly stopDelaySeconds: number;
  readonly shutdownSeconds: number;
  readonly tls: TlsPair | undefined;
  readonly auditCheckpoint: AuditCheckpointConfig | undefined;
  /** Days; for ever where undefined. */
  readonly auditRetentionDays: number | undefined;
}

export interface AuditCheckpointConfig {
  readonly file: string;
  /** An ES256 key. */
  readonly privateKey: KeyObject;
  /** Where checkpoints are posted to as well. */
  readonly url: Secret | undefined;
}

/** Both in PEM, and where they were read, so that renewed ones can be. */
export interface TlsPair {
  readonly certificate: string;
  readonly privateKey: Secret;
  readonly certificateFile: string;
  readonly privateKeyFile: string;
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
 * Reads the environment, the file of settings and the secret files that they name, once.
 *
 * An empty value is an error, never the same as an absent one: a check is not switched off by a variable that failed to expand.
 * Names that begin with `COUNTERSIGN_TEST_` belong to the tests and are ignored.
 *
 * @param env      the process's environment
 * @param readFile for the files that `…_FILE` names
 * @param modeOf   who may read and write them
 * @returns a deeply frozen configuration
 * @throws {ConfigError} with every problem there is, not only the first
 */
export function loadConfig(
  env: NodeJS.ProcessEnv,
  readFile: ReadFile = readFileSync,
  modeOf: ModeOf = path => statSync(path, { throwIfNoEntry: false })?.mode,
): Config {
  const file = readConfigFile(env[CONFIG_FILE_NAME], env);
  const sources = readSources({ ...env, ...file.env }, readFile, modeOf);
  const { values, problems } = parseValues(sources.sent);
  const all = file.tell([
    ...unknownNames(env, knownNames()),
    ...sources.problems,
    ...problems,
    ...combinationProblems(values, sources),
    ...runtimeProblems(env),
  ]);
  if (all.length > 0) throw new ConfigError(all);
  // Nothing was wrong, so every row that has a default or was given has its value.
  return deepFreeze(toConfig(values as SettingValues, sources.sent));
}

function toConfig(values: SettingValues, sent: Sources['sent']): Config {
  const { bootstrapClientId, bootstrapClientSecret, tlsCertificate, tlsPrivateKey } = values;
  const { auditCheckpointFile, auditCheckpointKey, auditCheckpointUrl } = values;
  const tls = tlsCertificate &&
    tlsPrivateKey && {
      certificate: tlsCertificate,
      privateKey: tlsPrivateKey,
      certificateFile: sent.get('tlsCertificate')?.path ?? '',
      privateKeyFile: sent.get('tlsPrivateKey')?.path ?? '',
    };
  const keySource = sent.get('keyEncryptionKey');
  const localhost = values.port === 0 ? undefined : localIssuer(values.port, tls !== undefined);
  return {
    issuer: values.issuer ?? localhost,
    furtherHosts: values.furtherHosts ?? [],
    host: values.host,
    port: values.port,
    store: values.store,
    dataDirectory: values.dataDirectory,
    keyEncryptionKey: values.keyEncryptionKey,
    keyEncryptionKeyFile: keyEncryptionKeyFile(values.dataDirectory),
    keyEncryptionKeySource: keySource?.path ?? keySource?.name ?? keyEncryptionKeyFile(values.dataDirectory),
    olderKeyEncryptionKeys: values.olderKeyEncryptionKeys ?? [],
    signingKeyOverlapSeconds: values.signingKeyOverlapSeconds,
    signingKeyRotationDays: values.signingKeyRotationDays,
    bootstrapClient:
      bootstrapClientId && bootstrapClientSecret
        ? { id: bootstrapClientId, secret: bootstrapClientSecret }
        : undefined,
    bootstrapClientFile: bootstrapClientFile(values.dataDirectory),
    firstAdministratorFile: firstAdministratorFile(values.dataDirectory),
    accessTokenTtlSeconds: values.accessTokenTtlSeconds,
    assertionLifetimeSeconds: values.assertionLifetimeSeconds,
    trustedProxies: values.trustedProxies ?? [],
    egress: { allow: values.egressAllow ?? { hosts: [], networks: [] }, extraCa: values.egressCa },
    dpopNonces: values.dpopNonces,
    logLevel: values.logLevel,
    traces: values.traces === 'on',
    metrics:
      values.metricsPort === undefined ? undefined : { host: values.metricsHost, port: values.metricsPort },
    limits: {
      addressRequestsPerSecond: values.addressRequestsPerSecond,
      clientTokensPerSecond: values.clientTokensPerSecond,
      unknownTokensPerSecond: values.unknownTokensPerSecond,
    },
    maxConnections: values.maxConnections,
    keepAliveSeconds: values.keepAliveSeconds,
    stopDelaySeconds: values.stopDelaySeconds,
    shutdownSeconds: values.shutdownSeconds,
    tls: tls || undefined,
    auditRetentionDays: values.auditRetentionDays,
    auditCheckpoint:
      auditCheckpointFile && auditCheckpointKey
        ? { file: auditCheckpointFile, privateKey: auditCheckpointKey, url: auditCheckpointUrl }
        : undefined,
  };
}

function knownNames(): ReadonlySet<string> {
  const names = rows().flatMap(([, setting]) => Object.values(variablesOf(setting)));
  return new Set([...names, CONFIG_FILE_NAME, ...Object.values(COMMAND_LINE_NAMES)]);
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
